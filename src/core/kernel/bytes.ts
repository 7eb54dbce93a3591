/**
 * Reading and writing of binary frames. Integers are LEB128 varints; strings and byte runs carry their
 * length. A reader never throws: the first malformed or missing byte turns `failed` on, and everything
 * read after that is empty, so a decoder checks once at its end.
 */

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label?: string,
  options?: { fatal?: boolean; ignoreBOM?: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Most texts are short names in ASCII, which cost less than the way to the encoder and back. */
const shortText = 96;

export function utf8(text: string): Uint8Array {
  if (text.length > shortText) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  return putAscii(text, bytes, 0) ? bytes : encoder.encode(text);
}

/** Writes a text of ASCII; false when it has other characters. */
function putAscii(text: string, to: Uint8Array, at: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return false;
    to[at + index] = unit;
  }
  return true;
}

/** The text of UTF-8 bytes; undefined when they are not valid UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

const empty = new Uint8Array(0);

/** Writers that are done leave their buffers to the next ones: a new one costs more than most frames do. */
const spareBuffers: Uint8Array<ArrayBuffer>[] = [];
const sparesMax = 4;
const spareBytes = 2_048;
const spareBytesMax = 1024 * 1024;
/** The buffer of a writer that is done. */
const over = new Uint8Array(0);

export class Writer {
  #buffer: Uint8Array<ArrayBuffer> = spareBuffers.pop() ?? new Uint8Array(spareBytes);
  #length = 0;

  byte(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** An exact integer in `[0, 2^53)`, 1 to 8 bytes. */
  uint(value: number): this {
    this.#reserve(8);
    if (value < 0x80) {
      this.#buffer[this.#length++] = value;
      return this;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    return this.uint(bytes.length).raw(bytes);
  }

  text(text: string): this {
    const { length } = text;
    if (length > shortText) return this.bytes(encoder.encode(text));
    const start = this.#length;
    this.uint(length).#reserve(length);
    if (!putAscii(text, this.#buffer, this.#length)) {
      this.#length = start;
      return this.bytes(encoder.encode(text));
    }
    this.#length += length;
    return this;
  }

  /** A copy of what was written, and the end of this writer: its buffer is another's now. */
  done(): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    if (buffer === over) throw new RangeError("a writer is done once");
    const written = buffer.slice(0, this.#length);
    if (spareBuffers.length < sparesMax && buffer.length >= spareBytes && buffer.length <= spareBytesMax)
      spareBuffers.push(buffer);
    this.#buffer = over;
    this.#length = 0;
    return written;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    if (this.#buffer === over) throw new RangeError("a writer that is done takes nothing more");
    const grown = new Uint8Array(Math.max(this.#buffer.length * 4, this.#length + more));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) return this.#fail(0);
    this.#at++;
    return value;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return value <= Number.MAX_SAFE_INTEGER ? value : this.#fail(0);
      scale *= 0x80;
    }
    return this.#fail(0);
  }

  /** A view (not a copy) of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const end = this.#at + length;
    if (this.failed || end > this.#bytes.length) return this.#fail(empty);
    const run = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return run;
  }

  bytes(lengthMax: number): Uint8Array {
    const length = this.uint();
    return length > lengthMax ? this.#fail(empty) : this.raw(length);
  }

  text(lengthMax: number): string {
    return textOf(this.bytes(lengthMax)) ?? this.#fail("");
  }

  #fail<T>(value: T): T {
    this.failed = true;
    this.#at = this.#bytes.length;
    return value;
  }
}

const hexDigits = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexDigits[byte];
  return text;
}

/** The bytes of lower- or upper-case hex; undefined when it is not hex. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    const high = hexValue(text.charCodeAt(2 * at));
    const low = hexValue(text.charCodeAt(2 * at + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[at] = 16 * high + low;
  }
  return bytes;
}

/** Of a digit's character code; negative for what is no digit. */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}
