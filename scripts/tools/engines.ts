// The container engine as the tools see it: what is ours there is told by its labels alone, and every trouble says what to do.
import Docker from 'dockerode'
import {Ending, exits} from '../../master/cli/exits.ts'
import {engine} from '../engine.ts'

/** Marks an image made by ostler-create-image, and the name of its flavor. */
export const flavorLabel = 'ostler.flavor'
/** What an image was made of, so that it is made again only when that changes. */
export const madeOfLabel = 'ostler.made-of'
/** Marks the container of a tool. */
export const toolLabel = 'ostler.tool'
/** Where images of a flavor are found. */
export const imageOf = (flavor: string): string => `ostler/${flavor}:latest`

/** The engine at this socket, else the one that a worker would use. */
export async function openEngine(socket: string | undefined): Promise<Docker> {
  if (socket === undefined) {
    const found = await engine()
    if (found) return patient(found)
    throw new Ending(
      exits.away,
      'no Docker or Podman answers here; name its socket with --engine-socket, or set DOCKER_HOST',
    )
  }
  const docker = new Docker({socketPath: socket.replace(/^unix:(\/\/)?/, '')})
  try {
    await docker.ping()
    return docker
  } catch (error) {
    throw new Ending(exits.away, `no Docker or Podman answers at ${socket}: ${(error as Error).message}`)
  }
}

/** An image takes the engine longer to take in than an answer to a look. */
function patient(docker: Docker): Docker {
  ;(docker.modem as {timeout?: number | undefined}).timeout = undefined
  return docker
}

/** What the engine says was wrong, as a sentence. */
export function engineWords(error: unknown): string {
  const {json, message} = error as {json?: {message?: string}; message?: string}
  return (json?.message ?? message ?? String(error)).trim()
}
