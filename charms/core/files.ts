// The files that a charm keeps: what each must say, as orders where it does not say so yet.
import type {Order} from './orders.ts'
import type {Machine} from './scene.ts'

export interface KeptFile {
  readonly path: string
  /** null for a file that must not be. */
  readonly text: string | null
  readonly mode: number
  readonly group?: string
}

/** Orders for the files that are not as they must be. */
export function keeping(machine: Machine, files: readonly KeptFile[]): readonly Order[] {
  return files.flatMap(({path, text, mode, group}): Order[] => {
    if ((machine.files[path] ?? null) === text) return []
    if (text === null) return [{order: 'remove', path}]
    return [{order: 'write', path, text, mode, ...(group !== undefined && {group})}]
  })
}

/** An environment file of systemd's, each value in quotes; names with '' are left out. */
export function environmentFile(values: Readonly<Record<string, string>>, further = ''): string {
  const lines = Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${value.replaceAll(/[\\"$`]/g, '\\$&')}"`)
  const own = further === '' ? [] : [further.trim()]
  return [
    "# Written by the charm, which writes it again: change the charm's options instead.",
    ...lines,
    ...own,
    '',
  ].join('\n')
}

/** The proxies that an operator gave, in both spellings that programs look for. */
export function proxyVariables(option: (name: string) => string): Readonly<Record<string, string>> {
  const pairs = (['http-proxy', 'https-proxy', 'no-proxy'] as const).flatMap((name) => {
    const variable = name.replaceAll('-', '_')
    return [variable, variable.toUpperCase()].map((spelling) => [spelling, option(name)])
  })
  return Object.fromEntries(pairs) as Record<string, string>
}
