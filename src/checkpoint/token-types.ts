/** GGUF's types of tokens, the values of `tokenizer.ggml.token_type`. */
export const TOKEN_TYPES = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 } as const;

/** The most characters of all added tokens. A model of speech has 65 536 tokens of 16 characters each. */
export const MAX_ADDED_CHARACTERS = 2 ** 21;
