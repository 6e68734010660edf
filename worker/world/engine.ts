// The container engine: Docker's API, spoken by Docker and Podman. One container per build, its main process the supervisor.
import type Docker from 'dockerode'
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

/** What an image must have beside `sh`, for the supervisor and its signals. */
export const imageTools = ['setsid', 'grep']

/** How a build is kept from its host, as the engine's API has it; only root keeps a few powers of root. */
export const containment = (user: string) => ({
  CapDrop: ['ALL'],
  // Podman gives these even to a user who is not root, as if it were; Docker does not.
  CapAdd: /^(root|0+)?(:|$)/.test(user) ? capabilities : [],
  SecurityOpt: ['no-new-privileges'],
})

/** What is missing is told by name before the supervisor starts; and the numbers of the user, which only the container knows. */
const start = `missing=
for tool in ${imageTools.join(' ')}; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
if [ "$missing" ]; then echo "$missing" >/ostler/attempt/missing; exit 127; fi
while read -r key real rest; do
  case $key in Uid: | Gid:) echo "$real" ;; esac
done </proc/self/status >/ostler/attempt/owner
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
  private readonly making = new Set<Promise<unknown>>()
  /** `docker 20.10.24`, `podman 4.3.1 rootless`: for people, and for the journal. */
  readonly name: string
  /** Runs as an ordinary user, who is root in its containers; every other user there is a stranger outside. */
  readonly isRootless: boolean
  private readonly docker: Docker

  private constructor(docker: Docker, name: string, isRootless: boolean) {
    this.docker = docker
    this.name = name
    this.isRootless = isRootless
  }

  /** The engine that answers there; rejects when none does. */
  static async at(docker: Docker): Promise<Engine> {
    const {Version, Components} = await docker.version()
    const {Rootless, SecurityOptions} = (await docker.info()) as {
      Rootless?: boolean
      SecurityOptions?: readonly string[] | null
    }
    const isPodman = JSON.stringify(Components).includes('Podman')
    const isRootless = Rootless === true || (SecurityOptions ?? []).some((each) => each === 'name=rootless')
    const name = `${isPodman ? 'podman' : 'docker'} ${Version}${isRootless ? ' rootless' : ''}`
    return new Engine(docker, name, isRootless)
  }

  /** Waits for the containers that are just being made: a worker that ended before would leave what nobody knows of. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.making)
  }

  /** Starts a build's container and gives back its id. Throws Broken when it cannot be. */
  async start(build: BuildContainer): Promise<string> {
    const made = this.made(build)
    this.making.add(made)
    return await made.finally(() => this.making.delete(made))
  }

  private async made(build: BuildContainer): Promise<string> {
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

  /** The container of an attempt of an earlier life, when it still runs, or whatever is left of it. */
  async find(state: string, fence: string, all = false): Promise<string | null> {
    const filters = {label: [`ostler.state=${state}`, `ostler.attempt=${fence}`]}
    const found = await this.docker.listContainers({all, filters})
    return found[0]?.Id ?? null
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
    const container = this.docker.getContainer(id)
    await container.remove({force: true, v: true}).catch(async (error: unknown) => {
      if (statusOf(error) === 404 || statusOf(error) === 409) return
      // Podman has other numbers for one that is just being removed: what counts is whether it is gone.
      const isGone = await container.inspect().then(
        () => false,
        (because: unknown) => statusOf(because) === 404,
      )
      if (!isGone) throw error
    })
  }

  /**
   * Gives all files below these directories to an owner, in a container of this image that is gone afterwards: the way of an
   * ordinary user, who may neither give files away nor take a stranger's. Throws Broken when it cannot.
   */
  async give(
    build: Pick<BuildContainer, 'worker' | 'state' | 'plan'>,
    owner: string,
    directories: readonly string[],
  ): Promise<void> {
    const container = await this.docker
      .createContainer({
        Image: build.plan.image,
        Entrypoint: ['chown', '-hR', owner, ...directories.map((_path, at) => `/ostler/${at}`)],
        Cmd: [],
        User: '0:0',
        // Of no attempt: the next start of the worker sweeps it, should this one be its last act.
        Labels: {'ostler.worker': build.worker, 'ostler.state': build.state},
        HostConfig: {
          Binds: directories.map((path, at) => `${path}:/ostler/${at}:z`),
          CapDrop: ['ALL'],
          CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
          SecurityOpt: ['no-new-privileges'],
          NetworkMode: 'none',
        },
      })
      .catch((error: unknown) => {
        throw new Broken(message(error))
      })
    try {
      await container.start()
      const {StatusCode} = (await container.wait()) as {StatusCode: number}
      if (StatusCode !== 0)
        throw new Broken((await this.output(container.id)) || `chown ended with ${StatusCode}`)
    } catch (error) {
      throw new Broken(message(error))
    } finally {
      await this.remove(container.id)
    }
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
        return await this.docker.createContainer(createOptions(build, await this.userOf(build.plan)))
      } catch (error) {
        const isMissing = statusOf(error) === 404
        if (!isMissing || !isFirst) throw new Broken(`the container cannot be made: ${message(error)}`)
        await this.pull(build.plan.image)
      }
    }
    throw new Broken('the container cannot be made')
  }

  private async pull(image: string): Promise<void> {
    const reference = /:[^/]*$|@/.test(image) ? image : `${image}:latest`
    try {
      await pulled(await this.docker.pull(reference))
    } catch (error) {
      throw new Broken(`image "${image}" is not on this worker and cannot be pulled: ${message(error)}`)
    }
  }

  /** As whom a build's container runs: as its plan says, as this worker needs it, or as its image says. */
  private async userOf({user, image}: ContainerPlan): Promise<string> {
    return user ?? this.ownUser() ?? (await this.docker.getImage(image).inspect()).Config.User
  }

  /**
   * As whom a container runs that says nothing of it: a worker that is not root leaves files that are its own. An engine
   * without root shows it, too, to its containers as their root.
   */
  ownUser(): string | null {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
    if (uid === 0) return null
    return this.isRootless ? '0:0' : `${uid}:${gid}`
  }
}

/** Reads the words of a pull to their end: an error comes among them, under a status that says all is well. */
async function pulled(words: NodeJS.ReadableStream): Promise<void> {
  let line = ''
  for await (const chunk of words) {
    const lines = (line + String(chunk)).split('\n')
    line = lines.pop() ?? ''
    for (const each of lines) throwIfError(each)
  }
  throwIfError(line)
}

function throwIfError(line: string): void {
  const {error} = line.trim() === '' ? {} : (JSON.parse(line) as {error?: string})
  if (error) throw new Error(error)
}

function createOptions(build: BuildContainer, user: string): Docker.ContainerCreateOptions {
  const {plan} = build
  return {
    Image: plan.image,
    Entrypoint: ['sh', '-c', start],
    Cmd: [],
    WorkingDir: '/ostler/workspace',
    User: user,
    Labels: {
      'ostler.worker': build.worker,
      'ostler.state': build.state,
      'ostler.attempt': build.fence,
      'ostler.build': build.build,
    },
    HostConfig: {
      Binds: [
        // z: where SELinux guards the host, containers may touch what is labelled as theirs. Elsewhere it does nothing.
        `${build.workspace}:/ostler/workspace:z`,
        `${build.box}:/ostler/attempt:z`,
        `${build.script}:/ostler/supervise:ro,z`,
      ],
      ...containment(user),
      ...(plan.memoryBytes !== null && {Memory: plan.memoryBytes, MemorySwap: plan.memoryBytes}),
      ...(plan.cpus !== null && {NanoCpus: Math.round(plan.cpus * 1e9)}),
      ...(plan.pids !== null && {PidsLimit: plan.pids}),
      ...(plan.network !== null && {NetworkMode: plan.network}),
    },
  }
}

const statusOf = (error: unknown): number | undefined => (error as {statusCode?: number}).statusCode

function message(error: unknown): string {
  const {json, message} = error as {json?: {message?: string}; message?: string}
  return (json?.message ?? message ?? String(error)).trim()
}
