/**
 * As much of Move's binary format as it takes to tell one module from another, and to give it another address.
 *
 *   module  = magic a11ceb0b | version u32 LE | count uleb | count x (kind u8, offset uleb, bytes uleb) | tables | self uleb
 *
 * | kind | table              | entry                                                                          |
 * |------|--------------------|--------------------------------------------------------------------------------|
 * | 1    | module handles     | address uleb, name uleb                                                        |
 * | 2    | datatype handles   | module uleb, name uleb, abilities u8, count uleb x (constraints u8, phantom u8) |
 * | 7    | identifiers        | length uleb, UTF-8                                                             |
 * | 8    | address pool       | 32 bytes                                                                       |
 *
 * Offsets count from the end of the table list; `self` is the handle of the module itself. The compiler sorts the
 * address pool, so modules compiled against packages at other addresses differ there and in the handles, nowhere else.
 */
import { concatBytes, fromHex, toHex } from "../../../shared/base/bytes.ts";

const MAGIC = "a11ceb0b";
const ADDRESS_BYTES = 32;
const KIND = { moduleHandles: 1, datatypeHandles: 2, identifiers: 7, addresses: 8 } as const;
const MAX_TABLES = 32;

export class ModuleError extends Error {
  override readonly name = "ModuleError";
}

interface Table {
  /** From the start of the module. */
  readonly start: number;
  readonly end: number;
}

export interface MoveModule {
  readonly name: string;
  /** Address pool as hex, in order. */
  readonly addresses: readonly string[];
  /** Own address, hex. */
  readonly self: string;
  /** Modules it names: address as hex, name. */
  readonly handles: readonly { readonly address: string; readonly name: string }[];
  /** Structs and enums it defines. */
  readonly datatypes: readonly string[];
  readonly bytes: Uint8Array;
  readonly tables: ReadonlyMap<number, Table>;
}

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  u8(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw new ModuleError("the module ends early");
    return value;
  }

  uleb(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new ModuleError("a number is too long");
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw new ModuleError("the module ends early");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

/** @throws ModuleError for bytes that are no module */
export function parseModule(bytes: Uint8Array): MoveModule {
  const tables = readTables(bytes);
  const read = <T>(kind: number, entry: (reader: Reader) => T): T[] => {
    const table = tables.get(kind);
    if (table === undefined) return [];
    const reader = new Reader(bytes, table.start);
    const entries: T[] = [];
    while (reader.at < table.end) entries.push(entry(reader));
    if (reader.at !== table.end) throw new ModuleError(`table ${kind} does not end with an entry`);
    return entries;
  };
  const addresses = read(KIND.addresses, (reader) => toHex(reader.take(ADDRESS_BYTES)));
  const names = read(KIND.identifiers, (reader) => new TextDecoder().decode(reader.take(reader.uleb())));
  const handles = read(KIND.moduleHandles, (reader) => {
    const [address, name] = [reader.uleb(), reader.uleb()];
    return { address: at(addresses, address), name: at(names, name) };
  });
  const selfIndex = new Reader(bytes, endOf(bytes, tables)).uleb();
  const self = at(handles, selfIndex);
  const datatypes = read(KIND.datatypeHandles, (reader) => {
    const [module, name] = [reader.uleb(), reader.uleb()];
    reader.u8();
    reader.take(2 * reader.uleb());
    return module === selfIndex ? at(names, name) : undefined;
  }).filter((name) => name !== undefined);
  return { name: self.name, addresses, self: self.address, handles, datatypes, bytes, tables };
}

function readTables(bytes: Uint8Array): Map<number, Table> {
  const reader = new Reader(bytes, 0);
  if (toHex(reader.take(4)) !== MAGIC) throw new ModuleError("these bytes are no Move module");
  reader.take(4);
  const count = reader.uleb();
  if (count > MAX_TABLES) throw new ModuleError(`${count} tables`);
  const heads = Array.from({ length: count }, () => {
    const kind = reader.u8();
    return { kind, offset: reader.uleb(), length: reader.uleb() };
  });
  const start = reader.at;
  return new Map(
    heads.map(({ kind, offset, length }) => {
      if (start + offset + length > bytes.length) throw new ModuleError(`table ${kind} lies outside`);
      return [kind, { start: start + offset, end: start + offset + length }];
    }),
  );
}

const endOf = (bytes: Uint8Array, tables: ReadonlyMap<number, Table>): number => {
  const ends = [...tables.values()].map(({ end }) => end);
  return Math.min(bytes.length, Math.max(0, ...ends));
};

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new ModuleError(`index ${index} of ${list.length}`);
  return value;
}

/** The module as published: its own address in place of zero, as Sui writes it. @param address 64 hex digits */
export function withSelf(module: MoveModule, address: string): Uint8Array {
  const bytes = module.bytes.slice();
  const table = module.tables.get(KIND.addresses);
  const index = module.addresses.indexOf(module.self);
  if (table === undefined) throw new ModuleError("a module has an address");
  bytes.set(fromHex(address), table.start + index * ADDRESS_BYTES);
  return bytes;
}

/**
 * The module as it would be, compiled against packages at other addresses.
 *
 * @param renamed new addresses by old ones, hex; others stay
 */
export function withAddresses(module: MoveModule, renamed: ReadonlyMap<string, string>): Uint8Array {
  const addresses = module.tables.get(KIND.addresses);
  const handles = module.tables.get(KIND.moduleHandles);
  if (addresses === undefined || handles === undefined) throw new ModuleError("a module has handles");
  const after = module.addresses.map((address) => renamed.get(address) ?? address);
  const sorted = [...after].sort();
  const bytes = module.bytes.slice();
  bytes.set(concatBytes(...sorted.map(fromHex)), addresses.start);
  const reader = new Reader(bytes, handles.start);
  while (reader.at < handles.end) {
    const place = reader.at;
    const index = reader.uleb();
    // One byte each: no module here names 128 addresses.
    if (reader.at !== place + 1) throw new ModuleError(`address ${index}`);
    bytes[place] = sorted.indexOf(at(after, index));
    reader.uleb();
  }
  return bytes;
}
