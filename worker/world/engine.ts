// The container engine: Docker's API, spoken by Docker and Podman. One container per build, its main process the supervisor.
import {existsSync} from 'node:fs'
import Docker from 'dockerode'
import type {ContainerPlan} from '../protocol/plan.ts'

/** Something that this worker or its image cannot do; the text is for people. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

// What building packages as root needs, and nothing that reaches the host: no raw sockets, mounts, devices or tracing.
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'SETGID',
  'SETUID',
  'KILL',
  'SETFCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
]

/** What an image must have, told by name before the supervisor starts. */
const start = `missing=
for tool in setsid grep; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
if [ "$missing" ]; then echo "$missing" >/ostler/attempt/missing; exit 127; fi
umask 022
exec sh /ostler/supervise /ostler/attempt`

export interface BuildContainer {
  readonly worker: string
  /** Marks what belongs to this state directory: two workers may share an engine, even a name. */
  readonly state: string
  readonly fence: string
  readonly build: string
  readonly plan: ContainerPlan
  readonly workspace: string
  readonly box: string
  readonly script: string
}

export class Engine {
  readonly name: string
  private readonly docker: Docker

  private constructor(docker: Docker, name: string) {
    this.docker = docker
    this.name = name
  }

  /** The engine at this socket, or at DOCKER_HOST, or at one of the usual places; null where there is none that answers. */
  static async find(socket: string | null): Promise<Engine | null> {
    if (socket === null && process.env['DOCKER_HOST']) return Engine.at(new Docker())
    const runtime = process.env['XDG_RUNTIME_DIR']
    const usual = [
      '/var/run/docker.sock',
      '/run/podman/podman.sock',
      ...(runtime ? [`${runtime}/podman/podman.sock`] : []),
    ]
    for (const socketPath of socket === null ? usual : [socket]) {
      const engine = existsSync(socketPath) ? await Engine.at(new Docker({socketPath})) : null
      if (engine) return engine
    }
    return null
  }

  private static async at(docker: Docker): Promise<Engine | null> {
    try {
      const {Version, Components} = await docker.version()
      const isPodman = JSON.stringify(Components).includes('Podman')
      return new Engine(docker, `${isPodman ? 'podman' : 'docker'} ${Version}`)
    } catch {
      return null
    }
  }

  /** Starts a build's container and gives back its id. Throws Broken when it cannot be. */
  async start(build: BuildContainer): Promise<string> {
    const container = await this.create(build)
    try {
      await container.start()
      return container.id
    } catch (error) {
      await container.remove({force: true}).catch(() => undefined)
      const text = message(error)
      const hint = /"sh"|\bsh: .*not found|executable file/.test(text)
        ? `image "${build.plan.image}" has no sh: `
        : ''
      throw new Broken(`${hint}the container did not start: ${text}`)
    }
  }

  /** The container of an attempt of an earlier life, when it still runs. */
  async find(state: string, fence: string): Promise<string | null> {
    const found = await this.docker.listContainers({
      filters: {label: [`ostler.state=${state}`, `ostler.attempt=${fence}`]},
    })
    return found[0]?.Id ?? null
  }

  /** Runs a program in a container as its user, to its end. Throws Broken when it fails. */
  async run(id: string, Cmd: string[]): Promise<void> {
    const exec = await this.docker.getContainer(id).exec({Cmd, AttachStdout: true, AttachStderr: true})
    const stream = await exec.start({})
    stream.resume()
    await new Promise((resolve) => stream.once('close', resolve))
    const {ExitCode} = await exec.inspect()
    if (ExitCode !== 0)
      throw new Broken(`${Cmd.join(' ')} failed in the container with exit code ${ExitCode}`)
  }

  async isRunning(id: string): Promise<boolean> {
    try {
      return (await this.docker.getContainer(id).inspect()).State.Running
    } catch {
      return false
    }
  }

  /** What a container printed before it ended. */
  async output(id: string): Promise<string> {
    const raw = await this.docker
      .getContainer(id)
      .logs({stdout: true, stderr: true, tail: 20})
      .catch(() => Buffer.alloc(0))
    return raw
      .toString('latin1')
      .replaceAll(/[^\x20-\x7e\n]/g, '')
      .trim()
  }

  async remove(id: string): Promise<void> {
    await this.docker
      .getContainer(id)
      .remove({force: true, v: true})
      .catch((error: unknown) => {
        if (![404, 409].includes((error as {statusCode?: number}).statusCode ?? 0)) throw error
      })
  }

  /** Removes this worker's containers that belong to no attempt it holds; gives back how many. */
  async sweep(state: string, held: ReadonlySet<string>): Promise<number> {
    const all = await this.docker.listContainers({all: true, filters: {label: [`ostler.state=${state}`]}})
    const left = all.filter(({Labels}) => !held.has(Labels['ostler.attempt'] ?? ''))
    await Promise.all(left.map(({Id}) => this.remove(Id)))
    return left.length
  }

  private async create(build: BuildContainer): Promise<Docker.Container> {
    for (const isFirst of [true, false]) {
      try {
        return await this.docker.createContainer(createOptions(build))
      } catch (error) {
        const isMissing = (error as {statusCode?: number}).statusCode === 404
        if (!isMissing || !isFirst) throw new Broken(`the container cannot be made: ${message(error)}`)
        await this.pull(build.plan.image)
      }
    }
    throw new Broken('the container cannot be made')
  }

  private async pull(image: string): Promise<void> {
    const reference = /:[^/]*$|@/.test(image) ? image : `${image}:latest`
    try {
      const stream = await this.docker.pull(reference)
      await new Promise<void>((resolve, reject) => {
        this.docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()))
      })
    } catch (error) {
      throw new Broken(`image "${image}" is not on this worker and cannot be pulled: ${message(error)}`)
    }
  }
}

function createOptions(build: BuildContainer): Docker.ContainerCreateOptions {
  const {plan} = build
  const user = plan.user ?? ownUser()
  return {
    Image: plan.image,
    Entrypoint: ['sh', '-c', start],
    Cmd: [],
    WorkingDir: '/ostler/workspace',
    ...(user !== null && {User: user}),
    Labels: {
      'ostler.worker': build.worker,
      'ostler.state': build.state,
      'ostler.attempt': build.fence,
      'ostler.build': build.build,
    },
    HostConfig: {
      Binds: [
        `${build.workspace}:/ostler/workspace`,
        `${build.box}:/ostler/attempt`,
        `${build.script}:/ostler/supervise:ro`,
      ],
      CapDrop: ['ALL'],
      CapAdd: capabilities,
      SecurityOpt: ['no-new-privileges'],
      ...(plan.memoryBytes !== null && {Memory: plan.memoryBytes, MemorySwap: plan.memoryBytes}),
      ...(plan.cpus !== null && {NanoCpus: Math.round(plan.cpus * 1e9)}),
      ...(plan.pids !== null && {PidsLimit: plan.pids}),
      ...(plan.network !== null && {NetworkMode: plan.network}),
    },
  }
}

/** A worker that is not root leaves files that are its own. */
function ownUser(): string | null {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  return uid === 0 ? null : `${uid}:${gid}`
}

function message(error: unknown): string {
  const {json, message} = error as {json?: {message?: string}; message?: string}
  return (json?.message ?? message ?? String(error)).trim()
}
