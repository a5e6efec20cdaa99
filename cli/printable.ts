/**
 * A text for terminals: control characters, which could move the cursor, change colours or forge lines, are shown as escapes.
 * @param keepLines leaves line breaks and tabs as they are.
 */
export function printable(text: string, { keepLines = false } = {}): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (keepLines && (character === '\n' || character === '\t')) return character;
    const escape = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    return escape ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
