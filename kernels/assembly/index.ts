/** What the kernels offer; see shared/codec/kernel-exports.ts for the caller's view. */
export { initField, locator } from "./field";
export {
  copyNodes,
  fillNodes,
  foldRows,
  innerRows,
  leafRows,
  leafRowsFromTable,
  padRows,
  setLeaf,
} from "./merkle";
export {
  columnGroup,
  decodeSlots,
  encodePlanes,
  encodeRows,
  gatherColumns,
  gatherRows,
  joinRows,
  rowGroup,
  splitRows,
} from "./reed-solomon";
