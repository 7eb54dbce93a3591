import { renderUnicodeCompact } from "uqr";

/**
 * A text as the lines of a QR code for a terminal: two modules a character, the light ones drawn, as most
 * terminals are dark. All lines are of one length; a terminal with fewer columns makes it unreadable.
 */
export const qrLines = (text: string): readonly string[] =>
  renderUnicodeCompact(text, { ecc: "L", border: 2 }).split("\n");

/** White on black, whatever the colours of the terminal are. */
export const onBlack = (line: string): string => `\u001B[97;40m${line}\u001B[0m`;
