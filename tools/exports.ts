/**
 * Lists the functions that a shared library exports, by reading the file itself: ELF (Linux),
 * Mach-O (macOS) and PE (Windows), 64 bit and little-endian.
 *
 * It stands here, and no `nm` is called, so that the check that the library exports exactly what
 * `quern.h` declares works on every platform and for libraries of every target.
 *
 * @module
 */

/**
 * The names that a shared library exports, but for those that the linker puts into every library.
 *
 * @param bytes the library's file
 * @returns the names, sorted; without the underscore that Mach-O puts before each
 * @throws SyntaxError when the file is none of the three formats, or is cut short
 */
export function exportedNames(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return listNames(view).sort();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SyntaxError(`the library of ${bytes.length} bytes is cut short`, { cause: error });
  }
}

function listNames(view: DataView): string[] {
  if (view.getUint32(0) === 0x7f454c46) return elfNames(view);
  if (view.getUint32(0, true) === 0xfeedfacf) return machoNames(view);
  if (view.getUint16(0) === 0x4d5a) return peNames(view);
  throw new SyntaxError("not an ELF, Mach-O (64 bit) or PE library");
}

function text(view: DataView, at: number): string {
  let end = at;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
}

/** A 64 bit offset as a number; too large a one fails in the DataView, as a RangeError. */
function offset64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/** ELF: the defined global and weak symbols of the dynamic symbol table (section type 11). */
function elfNames(view: DataView): string[] {
  const sections = offset64(view, 0x28);
  const size = view.getUint16(0x3a, true);
  const count = view.getUint16(0x3c, true);
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const section = sections + i * size;
    if (view.getUint32(section + 4, true) !== 11) continue;
    const strings = offset64(view, sections + view.getUint32(section + 0x28, true) * size + 0x18);
    const start = offset64(view, section + 0x18);
    const end = start + offset64(view, section + 0x20);
    for (let symbol = start; symbol < end; symbol += 24) {
      const binding = view.getUint8(symbol + 4) >> 4;
      const definedIn = view.getUint16(symbol + 6, true);
      if (definedIn === 0 || (binding !== 1 && binding !== 2)) continue;
      names.push(text(view, strings + view.getUint32(symbol, true)));
    }
  }
  return names;
}

/** What the linker itself puts into every Mach-O library. */
const LINKER_NAMES = new Set(["__dso_handle", "_mh_dylib_header"]);

/** Mach-O: the export trie, which the loader looks names up in; a load command says where it is. */
function machoNames(view: DataView): string[] {
  const commands = view.getUint32(16, true);
  let at = 32;
  for (let i = 0; i < commands; i++) {
    const command = view.getUint32(at, true);
    // LC_DYLD_EXPORTS_TRIE, and LC_DYLD_INFO and LC_DYLD_INFO_ONLY, whose fifth table it is.
    if (command === 0x80000033) return trieNames(view, view.getUint32(at + 8, true));
    if (command === 0x22 || command === 0x80000022) {
      return trieNames(view, view.getUint32(at + 40, true));
    }
    at += view.getUint32(at + 4, true);
  }
  return [];
}

/**
 * A trie's node: the size of what is known of the name that ends here (0: none does), that, and the
 * children: their number, then for each the next part of the name and the child's offset.
 */
function trieNames(view: DataView, trie: number, offset = 0, prefix = ""): string[] {
  const [size, known] = uleb128(view, trie + offset);
  const names = size > 0 ? [prefix.replace(/^_/, "")] : [];
  let at = known + size + 1;
  for (let children = view.getUint8(known + size); children > 0; children--) {
    const part = text(view, at);
    const [child, next] = uleb128(view, at + part.length + 1);
    // Children come after their parents; anything else would go on for ever.
    if (child <= offset) throw new SyntaxError(`the export trie goes back at offset ${at}`);
    names.push(...trieNames(view, trie, child, prefix + part));
    at = next;
  }
  return names.filter((name) => !LINKER_NAMES.has(name));
}

/** A number of seven bits a byte, lowest first; and where the next thing begins. */
function uleb128(view: DataView, at: number): [value: number, next: number] {
  let value = 0;
  for (let factor = 1;; factor *= 128) {
    const byte = view.getUint8(at++);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return [value, at];
  }
}

/** PE: the names of the export directory, the first data directory of the optional header. */
function peNames(view: DataView): string[] {
  const header = view.getUint32(0x3c, true);
  const sectionCount = view.getUint16(header + 6, true);
  const sections = header + 24 + view.getUint16(header + 20, true);
  const fileOffset = (address: number): number => {
    for (let i = 0; i < sectionCount; i++) {
      const section = sections + i * 40;
      const start = view.getUint32(section + 12, true);
      if (address < start || address >= start + view.getUint32(section + 16, true)) continue;
      return address - start + view.getUint32(section + 20, true);
    }
    throw new SyntaxError(`no section holds the address 0x${address.toString(16)}`);
  };
  const address = view.getUint32(header + 24 + 112, true);
  if (address === 0) return [];
  const directory = fileOffset(address);
  const count = view.getUint32(directory + 24, true);
  const list = fileOffset(view.getUint32(directory + 32, true));
  return Array.from(
    { length: count },
    (_, i) => text(view, fileOffset(view.getUint32(list + i * 4, true))),
  );
}
