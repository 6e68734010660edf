// ostler-run-in-container: a shell or a command in an image, kept from the host as a build is.
import {resolve as absolute} from 'node:path'
import {existsSync} from 'node:fs'
import {Command, InvalidArgumentError} from 'commander'
import type Docker from 'dockerode'
import {Ending, exits} from '../../master/cli/exits.ts'
import {sayJson} from '../../master/cli/print.ts'
import {containment} from '../../worker/world/engine.ts'
import {engineWords, imageOf, openEngine, toolLabel} from './engines.ts'
import type {Tool} from './tool.ts'

interface Flags {
  readonly workspace?: string
  readonly user?: string
  readonly memory?: number
  readonly cpus?: number
  readonly pids?: number
  readonly network?: string
  readonly env?: readonly string[]
  readonly dryRun?: boolean
  readonly engineSocket?: string
}

const units: Readonly<Record<string, number>> = {KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3}

function bytes(text: string): number {
  const [, digits, unit = ''] = /^(\d+)(KiB|MiB|GiB)$/.exec(text) ?? []
  if (digits === undefined) throw new InvalidArgumentError('expected a size such as 512MiB or 2GiB')
  return Number(digits) * (units[unit] ?? 1)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0')
  return value
}

const gather = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

export const runInContainer: Tool = (end) =>
  new Command('ostler-run-in-container')
    .description('run a shell or a command in an image, with the limits that a build has there')
    .argument('<image>', 'the name of a flavor, or of any image of the engine')
    .argument('[command...]', 'the command and its words; without one, a shell')
    .passThroughOptions()
    .option(
      '--workspace <dir>',
      'a directory of the host, to be /ostler/workspace and where the command begins',
    )
    .option('--user <user>', 'as whom to run, such as 1000:1000; else as the image says')
    .option('--memory <size>', 'how much memory, such as 2GiB', bytes)
    .option('--cpus <n>', 'how many processors, such as 1.5', positive)
    .option('--pids <n>', 'how many processes', positive)
    .option('--network <name>', "the engine's network; none for no network")
    .option('--env <name=value>', 'a variable of the environment (may be given again)', gather)
    .option('--dry-run', 'only write what the engine would be asked for, as JSON')
    .option(
      '--engine-socket <path>',
      'the socket of Docker or Podman, instead of the one that a worker would use',
    )
    .addHelpText(
      'after',
      `
The container is gone afterwards; the workspace stays. As in a build, nothing can get more rights than it began with, and root is
root without what reaches the host. The exit code is the command's; 125 when the container could not be run.`,
    )
    .action(async (image: string, command: readonly string[], flags: Flags) => {
      if (flags.workspace !== undefined && !existsSync(flags.workspace))
        throw new Ending(exits.usage, `--workspace: there is no ${flags.workspace}`)
      const docker = await openEngine(flags.engineSocket)
      const hasTerminal = process.stdin.isTTY && process.stdout.isTTY
      const options = orderFor(await imageNamed(docker, image), command, flags, hasTerminal)
      if (flags.dryRun) return sayJson(options)
      end(await runToEnd(docker, options, hasTerminal))
    })

async function imageNamed(docker: Docker, name: string): Promise<{name: string; user: string}> {
  for (const candidate of [imageOf(name), name]) {
    try {
      const {Config} = await docker.getImage(candidate).inspect()
      return {name: candidate, user: Config.User}
    } catch (error) {
      const {statusCode} = error as {statusCode?: number}
      if (statusCode !== 404 && statusCode !== 400) throw new Ending(exits.away, engineWords(error))
    }
  }
  throw new Ending(
    exits.usage,
    `there is neither a flavor's image nor another named ${name} here; ostler-list-images lists them`,
  )
}

const orderFor = (
  image: {readonly name: string; readonly user: string},
  command: readonly string[],
  {workspace, user = image.user, memory, cpus, pids, network, env}: Flags,
  hasTerminal: boolean,
): Docker.ContainerCreateOptions => ({
  Image: image.name,
  Entrypoint: [],
  Cmd: command.length > 0 ? [...command] : ['sh'],
  User: user,
  Tty: hasTerminal,
  OpenStdin: true,
  StdinOnce: true,
  AttachStdin: true,
  AttachStdout: true,
  AttachStderr: true,
  Labels: {[toolLabel]: 'run-in-container'},
  ...(env !== undefined && {Env: [...env]}),
  ...(workspace !== undefined && {WorkingDir: '/ostler/workspace'}),
  HostConfig: {
    AutoRemove: true,
    Init: true,
    ...(workspace !== undefined && {Binds: [`${absolute(workspace)}:/ostler/workspace:z`]}),
    ...containment(user),
    ...(memory !== undefined && {Memory: memory, MemorySwap: memory}),
    ...(cpus !== undefined && {NanoCpus: Math.round(cpus * 1e9)}),
    ...(pids !== undefined && {PidsLimit: pids}),
    ...(network !== undefined && {NetworkMode: network}),
  },
})

async function runToEnd(
  docker: Docker,
  options: Docker.ContainerCreateOptions,
  hasTerminal: boolean,
): Promise<number> {
  let container: Docker.Container
  try {
    container = await docker.createContainer(options)
  } catch (error) {
    throw new Ending(exits.away, `the container cannot be made: ${engineWords(error)}`)
  }
  // Before it starts, so that neither its first word nor its end is missed.
  const stream = await container.attach({stream: true, hijack: true, stdin: true, stdout: true, stderr: true})
  const ended = container.wait({condition: 'next-exit'}) as Promise<{StatusCode: number}>
  if (hasTerminal) stream.pipe(process.stdout)
  else docker.modem.demuxStream(stream, process.stdout, process.stderr)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const pass = (signal: NodeJS.Signals) => void container.kill({signal}).catch(() => undefined)
  for (const signal of signals) process.on(signal, pass)
  try {
    await container.start()
    if (hasTerminal) await fit(container)
    process.stdin.pipe(stream)
    const [{StatusCode}] = await Promise.all([ended, new Promise((resolve) => stream.once('end', resolve))])
    return StatusCode
  } catch (error) {
    await container.remove({force: true}).catch(() => undefined)
    process.stderr.write(`the container does not run: ${engineWords(error)}\n`)
    return 125
  } finally {
    if (hasTerminal) process.stdin.setRawMode(false)
    process.stdin.unpipe()
    process.stdin.destroy()
    for (const signal of signals) process.off(signal, pass)
  }
}

/** Its terminal is as large as ours, and ours hands every key on. */
async function fit(container: Docker.Container): Promise<void> {
  const resize = () =>
    container.resize({h: process.stdout.rows, w: process.stdout.columns}).catch(() => undefined)
  process.stdin.setRawMode(true)
  process.stdout.on('resize', () => void resize())
  await resize()
}
