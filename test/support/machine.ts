// A Debian 13 that boots with systemd in a container (ostler-test/machine), without any network but its loopback: where the
// Debian packages are installed as on a real machine. What is run there has a time limit, and it goes when the test ends.
import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {debianPackages} from './packages.ts'
import {engineSocket} from './parts.ts'

/** What a command in a machine came to. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface MachineOptions {
  /** Installs these: `true` is all three. None by default. */
  readonly packages?: boolean | readonly PackageName[]
  /** Starts its PostgreSQL before the packages are installed. */
  readonly postgresql?: boolean
  /** Has this one's loopback and ports as its own, as if they were in one network; else it is alone. */
  readonly besides?: Machine
  /** More arguments of `docker run`, such as `--cap-add`. */
  readonly run?: readonly string[]
}

export type PackageName = 'ostler-common' | 'ostler-master' | 'ostler-worker'

export const machineImage = 'ostler-test/machine'

/** The test, or the hooks of a file, that the machine belongs to. */
type Owner = Pick<ExecutionContext, 'teardown'>

const secondsMost = 120

export class Machine {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /** Boots one; it is gone when the test ends. Rejects when systemd does not come up or the packages cannot be installed. */
  static async boot(
    t: Owner,
    {packages = false, postgresql = false, besides, run = []}: MachineOptions = {},
  ): Promise<Machine> {
    const machine = new Machine(`ostler-test-machine-${randomBytes(4).toString('hex')}`)
    t.teardown(() => machine.remove())
    const network = besides === undefined ? alone : ['--network', `container:${besides.name}`]
    await docker(['run', '--detach', '--name', machine.name, ...asMachine, ...network, ...run, machineImage])
    await machine.awaitBoot()
    if (postgresql) await machine.must('systemctl start postgresql && pg_isready --timeout=30')
    if (packages !== false) await machine.install(packages === true ? undefined : packages)
    return machine
  }

  /** Runs a line of shell as root. */
  async run(command: string, {seconds = secondsMost}: {seconds?: number} = {}): Promise<Ran> {
    // The inner limit ends what runs inside; the outer one only our wait for it.
    const inside = ['timeout', '--kill-after=5', String(seconds), 'sh', '-c', command]
    return await dockerRan(['exec', this.name, ...inside], seconds + 10)
  }

  /** Runs a line of shell that must succeed; answers what it printed. */
  async must(command: string, options: {seconds?: number} = {}): Promise<string> {
    const {code, stdout, stderr} = await this.run(command, options)
    if (code !== 0) throw new Error(`in the machine, ${command}\nexit ${code}\n${stdout}\n${stderr}`.trim())
    return stdout
  }

  /** Copies a file or folder of this machine into it, to a path that is not there yet. */
  async copyIn(from: string, to: string): Promise<void> {
    await docker(['cp', '--quiet', from, `${this.name}:${to}`])
  }

  /** Writes a file, whole, with root as its owner. */
  async write(path: string, text: string): Promise<void> {
    const bytes = Buffer.from(text).toString('base64')
    await this.must(`mkdir -p "$(dirname '${path}')" && echo '${bytes}' | base64 -d >'${path}'`)
  }

  async read(path: string): Promise<string> {
    return await this.must(`cat '${path}'`)
  }

  /** What a unit logged since boot, one line per entry. */
  async journal(unit: string): Promise<string> {
    return await this.must(`journalctl --no-pager --output=cat --unit='${unit}'`)
  }

  /** Waits until a line of shell succeeds; answers what it printed. Rejects with its last words. */
  async until(command: string, {seconds = 60}: {seconds?: number} = {}): Promise<string> {
    for (const end = Date.now() + seconds * 1000; ;) {
      const {code, stdout, stderr} = await this.run(command, {seconds})
      if (code === 0) return stdout
      if (Date.now() > end)
        throw new Error(`in the machine, after ${seconds} s: ${command}\nexit ${code}\n${stdout}\n${stderr}`)
      await sleep(200)
    }
  }

  /** Installs our packages as an operator would; those of `folder`, by default of this clone. */
  async install(names?: readonly PackageName[], folder?: string): Promise<Ran> {
    const ran = await this.tryInstall(names, folder)
    if (ran.code !== 0) throw new Error(`the packages were not installed\n${ran.stdout}\n${ran.stderr}`)
    return ran
  }

  /** The same, for an installation that may be refused. */
  async tryInstall(names: readonly PackageName[] = allPackages, folder?: string): Promise<Ran> {
    const from = folder ?? (await debianPackages())
    const to = `/root/packages-${randomBytes(4).toString('hex')}`
    await this.copyIn(from, to)
    const files = names.map((name) => `${to}/${name}_*_all.deb`).join(' ')
    return await this.run(`DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet ${files}`)
  }

  /** Restarts the whole machine: systemd stops everything, and boots again with what is on its disk. */
  async reboot(): Promise<void> {
    await docker(['restart', '--time', '60', this.name], 120)
    await this.awaitBoot()
  }

  private async awaitBoot(): Promise<void> {
    await this.until(
      'systemctl is-system-running --wait >/dev/null 2>&1; systemctl is-system-running | grep -qE "running|degraded"',
    )
  }

  private async remove(): Promise<void> {
    await dockerRan(['rm', '--force', '--volumes', this.name], 60)
  }
}

const allPackages: readonly PackageName[] = ['ostler-common', 'ostler-master', 'ostler-worker']

const alone = ['--hostname', 'machine', '--network', 'none']
// No --privileged: that asks for a capability which the machines that test us lack.
const asMachine = [
  ...['--stop-signal', 'SIGRTMIN+3'],
  ...['--tmpfs', '/run', '--tmpfs', '/run/lock', '--tmpfs', '/tmp'],
  ...['--cap-add', 'SYS_ADMIN', '--cap-add', 'SYS_PTRACE'],
  ...['--security-opt', 'seccomp=unconfined', '--security-opt', 'systempaths=unconfined'],
  ...['--cgroupns', 'host', '--volume', '/sys/fs/cgroup:/sys/fs/cgroup:ro'],
  ...['--volume', '/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw'],
]

async function docker(args: readonly string[], seconds = secondsMost): Promise<string> {
  const {code, stdout, stderr} = await dockerRan(args, seconds)
  if (code !== 0) throw new Error(`docker ${args.join(' ')}\nexit ${code}\n${stderr}`)
  return stdout
}

function dockerRan(args: readonly string[], seconds: number): Promise<Ran> {
  const socket = engineSocket()
  const env = {...process.env, ...(socket === null ? {} : {DOCKER_HOST: `unix://${socket}`})}
  const options = {env, timeout: seconds * 1000, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024} as const
  return new Promise((resolve) => {
    execFile('docker', args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124
      resolve({code, stdout, stderr})
    })
  })
}
