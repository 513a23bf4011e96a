/** A table of Markdown; a pipe or a line break in a cell does not end the cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text
    .replace(/\|/g, '\\|')
    .replace(/\s*\n\s*/g, ' ')
    .trim();
}

/** Text that is no Markdown, such as the description of a flag. */
export function plain(text: string): string {
  return text.replace(/[*<]/g, '\\$&');
}

/** Text between backticks; empty stays empty. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
