// Finding the container engine: where Docker or Podman may listen, which of them answers, and why none does.
import {existsSync} from 'node:fs'
import Docker from 'dockerode'
import {Engine} from './engine.ts'

/** The engine that answered and where, or in one sentence why there is none. */
export type Search =
  {readonly engine: Engine; readonly at: string} | {readonly engine: null; readonly why: string}

/** Where to ask, for people, and how; `connect` throws for an address that cannot be. */
interface Place {
  readonly at: string
  readonly connect: () => Docker
}

/** A socket that takes the call and never answers must not keep a worker from starting. */
const answerMs = 15_000

/** Asks at this socket; else at DOCKER_HOST or CONTAINER_HOST; else at the usual places, the first that answers. */
export async function findEngine(socket: string | null, env = process.env): Promise<Search> {
  if (socket === 'none') return {engine: null, why: 'it was started with --engine-socket none'}
  const named = namedPlace(socket, env)
  const usual = usualSockets(env).filter((path) => existsSync(path))
  const reasons: string[] = []
  for (const place of named ? [named] : usual.map((path) => socketPlace(path, path))) {
    try {
      return {engine: await answering(place), at: place.at}
    } catch (error) {
      reasons.push(`${place.at}: ${reason(error)}`)
    }
  }
  if (reasons.length > 0) return {engine: null, why: reasons.join('; ')}
  return {
    engine: null,
    why: `there is no socket of Docker or Podman at ${usualSockets(env).join(', ')}; name another with --engine-socket or DOCKER_HOST`,
  }
}

function namedPlace(socket: string | null, env: NodeJS.ProcessEnv): Place | null {
  if (socket !== null) return socketPlace(`--engine-socket ${socket}`, withoutScheme(socket))
  const {DOCKER_HOST, CONTAINER_HOST} = env
  if (DOCKER_HOST) return {at: `DOCKER_HOST ${DOCKER_HOST}`, connect: () => new Docker()}
  if (CONTAINER_HOST) return podmanPlace(CONTAINER_HOST)
  return null
}

/** What Podman's own variable names, in its own form. */
function podmanPlace(address: string): Place {
  const at = `CONTAINER_HOST ${address}`
  if (address.startsWith('unix:')) return socketPlace(at, withoutScheme(address))
  const {protocol, hostname, port} = URL.canParse(address) ? new URL(address) : {}
  const connect = (): Docker => {
    if (protocol !== 'tcp:' || !hostname || !port)
      throw new Error('only unix:///PATH and tcp://HOST:PORT can be used')
    return new Docker({host: hostname, port, protocol: 'http'})
  }
  return {at, connect}
}

const socketPlace = (at: string, socketPath: string): Place => ({at, connect: () => new Docker({socketPath})})

const withoutScheme = (socket: string): string => socket.replace(/^unix:(\/\/)?/, '')

/** The engines of the machine first, then this user's own (rootless) ones; a unit of systemd may not know XDG_RUNTIME_DIR. */
function usualSockets(env: NodeJS.ProcessEnv): string[] {
  const runtime = env['XDG_RUNTIME_DIR'] || `/run/user/${process.getuid?.() ?? 0}`
  return [
    '/var/run/docker.sock',
    '/run/podman/podman.sock',
    `${runtime}/docker.sock`,
    `${runtime}/podman/podman.sock`,
  ]
}

async function answering({connect}: Place): Promise<Engine> {
  const docker = connect()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs / 1000} seconds`)), answerMs)
  })
  try {
    return await Promise.race([Engine.at(docker), late])
  } finally {
    clearTimeout(timer)
  }
}

function reason(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return 'there is no such socket'
    case 'EACCES':
      return 'this user may not use it; give it to a group that the user is in'
    case 'ECONNREFUSED':
      return 'nobody listens there'
    default:
      return message.trim()
  }
}
