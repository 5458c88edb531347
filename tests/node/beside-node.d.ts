// What the source uses that Node's types do not have.

/** A page's own: asked for in a browser only. */
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
