// Tokens that are never chosen: bit t % 32 of word t / 32 says so of token t. They get the logit LOWEST.
@group(0) @binding(6) var<storage, read> lacking: array<u32>;  // [ceil(VOCABULARY / 32)]

fn logits_of(products: vec4f, token: u32) -> vec4f {
  let bits = vec4u(lacking[token / 32u] >> (token % 32u));
  return select(products, vec4f(LOWEST), (bits & vec4u(1u, 2u, 4u, 8u)) != vec4u());
}
