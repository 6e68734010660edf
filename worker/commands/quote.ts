// Quoting for a shell: any text but NUL comes out of `sh` as it went in.
import {Broken} from '../world/engine.ts'

export function quote(text: string): string {
  if (text.includes('\0')) throw new Broken('a NUL character cannot be given to a program')
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

// Names that some shells keep to themselves; `env` sets them, and those that no shell can name.
const special = new Set([
  'UID',
  'EUID',
  'GID',
  'PPID',
  'SHELLOPTS',
  'BASHOPTS',
  'BASH_VERSINFO',
  'IFS',
  'PS4',
  'ENV',
  'BASH_ENV',
  'OPTIND',
])

/** Lines that set an environment, and what is to stand before the command for the rest of it. */
export function environment(env: Readonly<Record<string, string>>): {exports: string; prefix: string} {
  const exports: string[] = []
  const prefix: string[] = []
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || /[=\0]/.test(name)) throw new Broken(`"${name}" cannot name an environment variable`)
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !special.has(name)) exports.push(`${name}=${quote(value)}`)
    else prefix.push(quote(`${name}=${value}`))
  }
  return {
    exports: exports.length > 0 ? `export ${exports.join(' ')}\n` : '',
    prefix: prefix.length > 0 ? `env ${prefix.join(' ')} ` : '',
  }
}
