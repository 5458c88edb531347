// Names that the source uses and Node's types do not have.

/** Only a browser has it, and only there is it asked for. */
declare const navigator: { readonly gpu?: GPU };

/** Files that are imported as text. */
declare module "*.wgsl" {
  const text: string;
  export default text;
}
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.jsonl" {
  const text: string;
  export default text;
}
declare module "*/page-script.js" {
  const text: string;
  export default text;
}
