// What a failed file operation means for whoever has to mend it: one sentence, with the remedy.
import {accessSync, constants, readdirSync, statSync} from 'node:fs'
import {dirname, join} from 'node:path'

/** The sentence for an error in or below a directory that is ours to use; null when it is none of files. */
export function fileTrouble(error: unknown, directory: string): string | null {
  const {code, path} = error as NodeJS.ErrnoException
  const at = path ?? directory
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `no room is left on the disk of ${at}: free some, then start again`
    case 'EROFS':
      return `${at} may only be read: remount its file system for writing, or choose another --state-dir`
    case 'EACCES':
    case 'EPERM':
      return isWithin(at, directory) ? ownership(directory, at) : null
    case 'ENOTDIR':
      return `${at} lies below a file: choose another --state-dir`
    default:
      return null
  }
}

/** Throws when something right in a directory may not be used: a later failure would not say what is behind it. */
export function refuseForeign(directory: string): void {
  for (const entry of readdirSync(directory, {withFileTypes: true})) {
    const use = entry.isDirectory() ? constants.R_OK | constants.W_OK | constants.X_OK : constants.R_OK
    if (entry.isDirectory() || entry.isFile()) accessSync(join(directory, entry.name), use)
  }
}

const isWithin = (path: string, directory: string) =>
  path === directory || path.startsWith(`${directory}/`) || directory.startsWith(`${path}/`)

function ownership(directory: string, at: string): string {
  const me = process.getuid?.() ?? 0
  const group = process.getgid?.() ?? 0
  const owner = ownerOf(at)
  const whose = owner === null ? '' : ` (it belongs to user ${String(owner)})`
  return `this user (${String(me)}) may not use ${at}${whose}: chown -R ${String(me)}:${String(group)} ${directory}`
}

/** Of a path, or of the nearest above it that is there. */
function ownerOf(path: string): number | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      return statSync(at).uid
    } catch {
      if (at === dirname(at)) return null
    }
  }
}
