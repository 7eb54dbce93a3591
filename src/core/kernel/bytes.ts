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

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text of UTF-8 bytes; undefined when they are not valid UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Most frames are signs of life of a few bytes. */
const firstBytes = 64;

export class Writer {
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** @param expected About how many bytes are going to be written; more only cost a copy. */
  constructor(expected = firstBytes) {
    this.#buffer = new Uint8Array(expected);
  }

  byte(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** An exact integer in `[0, 2^53)`, 1 to 8 bytes. */
  uint(value: number): this {
    this.#reserve(8);
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
    return this.bytes(utf8(text));
  }

  /** A copy of what was written. */
  done(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
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

const empty = new Uint8Array(0);

const hexDigits = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexDigits[byte];
  return text;
}

/** The bytes of lower- or upper-case hex; undefined when it is not hex. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}
