/** A table with a head, or a sentence where it would be empty. */
import type { ComponentChildren } from 'preact';

interface TableProps {
  readonly columns: readonly string[];
  /** What is said instead of a table without rows. */
  readonly none: string;
  /** The rows. */
  readonly children: readonly ComponentChildren[];
}

export function Table({ columns, none, children }: TableProps) {
  if (children.length === 0) return <p class="none">{none}</p>;
  return (
    <table>
      <thead>
        <tr>
          {columns.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}
