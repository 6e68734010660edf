// Why a master does not start, in one sentence with its remedy.
import {fileTrouble} from '../../worker/systemd/file-trouble.ts'
import {briefly, ConfigurationRefused} from './settings.ts'

export interface Start {
  readonly stateDir: string
  readonly listen: string
}

/** The sentence for `systemctl status`; a refused configuration's first problem, and how many more there are. */
export function startTrouble(error: unknown, {stateDir, listen}: Start): string {
  if (error instanceof ConfigurationRefused) return `the configuration is refused: ${briefly(error)}`
  return listenTrouble(error, listen) ?? fileTrouble(error, stateDir) ?? (error as Error).message
}

/** Why nobody can listen there; null when the error is another. */
function listenTrouble(error: unknown, listen: string): string | null {
  const {code, syscall} = error as NodeJS.ErrnoException
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return null
  switch (code) {
    case 'EADDRINUSE':
      return `another program listens at ${listen} (EADDRINUSE): stop it, or give this master another --listen HOST:PORT`
    case 'EACCES':
      return `this user may not listen at ${listen} (EACCES): take a port from 1024 up, or allow it (AmbientCapabilities=CAP_NET_BIND_SERVICE)`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${listen} is no address of this machine (${code}): give --listen one that it has, or 0.0.0.0:PORT for all`
    default:
      return null
  }
}
