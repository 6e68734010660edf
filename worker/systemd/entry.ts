// An entry of the journal in its native form: fields that can be asked for (`journalctl OSTLER_BUILD=42`).

export type Fact = string | number | boolean | null | undefined | object

/** What to tell: the text that people read, how grave it is (syslog's 0 to 7), and what it is about. */
export interface Told {
  readonly program: string
  readonly priority: number
  readonly text: string
  readonly facts: Readonly<Record<string, Fact>>
}

/** A datagram has a limit; a text or field that is longer is cut. */
const fieldMost = 48 * 1024

/** The bytes of the entry. Each fact becomes a field, `freeBytes` OSTLER_FREE_BYTES. */
export function journalEntry({program, priority, text, facts}: Told, pid: number): Buffer {
  const fields: [string, string][] = [
    ['MESSAGE', text],
    ['PRIORITY', String(priority)],
    ['SYSLOG_IDENTIFIER', program],
    ['SYSLOG_PID', String(pid)],
  ]
  for (const [name, fact] of Object.entries(facts))
    if (fact !== null && fact !== undefined) fields.push([fieldName(name), factText(fact)])
  return Buffer.concat(fields.map(([name, value]) => field(name, value)))
}

/** How a fact is written, in a field and behind a text. */
export const factText = (fact: Exclude<Fact, null | undefined>): string =>
  typeof fact === 'object' ? JSON.stringify(fact) : String(fact)

const fieldName = (name: string) =>
  `OSTLER_${name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]/g, '_')
    .toUpperCase()}`.slice(0, 64)

function field(name: string, value: string): Buffer {
  const text = Buffer.from(value)
  const bytes =
    text.length > fieldMost ? Buffer.concat([text.subarray(0, fieldMost), Buffer.from('…')]) : text
  if (!bytes.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')])
}
