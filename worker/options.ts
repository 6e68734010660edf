// The command line of `ostler worker`, read at the door: everything wrong with it at once.
import {readFileSync} from 'node:fs'
import {resolve} from 'node:path'
import {createSecureContext} from 'node:tls'
import {Command, CommanderError, Option} from 'commander'
import {spoolPolicies, type SpoolPolicy} from './core/backlog.ts'
import {readIdentity, type IdentityFiles} from './world/identity.ts'
import {refuse} from './world/print.ts'

export interface WorkerOptions {
  /** Each without a final slash. */
  readonly masters: readonly string[]
  readonly name: string
  readonly token: string
  readonly stateDir: string
  readonly labels: Readonly<Record<string, string>>
  readonly maxBuilds: number
  readonly minFreeBytes: number
  /** How many bytes of output may wait on this disk for the master, of all builds, and what becomes of more. */
  readonly spoolBytes: number
  readonly spoolFull: SpoolPolicy
  readonly engineSocket: string | null
  readonly identity: IdentityFiles
  /** Whether it waits for its builds when it is told to stop. */
  readonly drains: boolean
  /** How long a workspace is kept that no build uses; null for ever. */
  readonly keepWorkspacesMs: number | null
}

/** A build with less room than this would say nothing. */
const shareMin = 1024 * 1024

/** The worker's command line, for whoever reads it and for whoever prints it. */
export function workerProgram(name: string): Command {
  return new Command(name)
    .description('Runs a worker: it connects to a master and builds what it is offered.')
    .addOption(
      new Option(
        '--master <url>',
        'the master, such as https://ci.example.org; given more than once, the worker uses any and moves on when one goes',
      )
        .env('OSTLER_MASTER')
        .argParser(collectWords)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--name <name>', "this worker's name, as the master knows it")
        .env('OSTLER_WORKER_NAME')
        .makeOptionMandatory(),
    )
    .requiredOption('--state-dir <dir>', 'where workspaces and journals are kept')
    .option('--label <key=value>', 'something this worker can; may be given more than once', collect, [])
    .option('--max-builds <n>', 'how many builds at once', '1')
    .option('--token-file <file>', "a file with the worker's token (else OSTLER_WORKER_TOKEN)")
    .addOption(
      new Option('--ca <file>', "trust the issuers in this file for the master's certificate").env(
        'OSTLER_CA',
      ),
    )
    .addOption(
      new Option('--tls-cert <file>', 'the certificate to show a master that wants one').env(
        'OSTLER_TLS_CERT',
      ),
    )
    .addOption(new Option('--tls-key <file>', 'its key').env('OSTLER_TLS_KEY'))
    .option('--min-free <bytes>', 'free space below which new builds are declined, such as 256MiB', '256MiB')
    .option(
      '--spool-limit <bytes>',
      'how much output may wait on this disk for a master that takes none, shared by the builds',
      '1GiB',
    )
    .addOption(spoolFull)
    .option(
      '--keep-workspaces <time>',
      'how long a workspace is kept that no build uses, such as 12h or 30d; "never" removes none',
      '30d',
    )
    .addOption(
      new Option(
        '--stop <way>',
        'what SIGTERM does: "leave" lets builds go on under their supervisors for the next start, "drain" takes no new ones and waits for those that run',
      )
        .env('OSTLER_WORKER_STOP')
        .choices(['leave', 'drain'])
        .default('leave'),
    )
    .option(
      '--engine-socket <path>',
      'the socket of Docker or Podman (else DOCKER_HOST or CONTAINER_HOST, else the usual places); "none" uses none',
    )
    .addHelpText('after', afterHelp)
    .exitOverride()
}

/** Its choices are looked at with all else, so that every problem is told at once. */
const spoolFull = Object.assign(
  new Option(
    '--spool-full <policy>',
    'what becomes of more: "truncate" cuts the middle out of it and the build goes on, "block" holds the step',
  ).default('truncate'),
  {argChoices: [...spoolPolicies]},
)

/** The options, or the code to exit with after the words were printed. */
export function readOptions(argv: readonly string[]): WorkerOptions | number {
  const command = workerProgram('ostler worker')
  command.configureOutput({outputError: () => undefined})
  try {
    command.parse([...argv], {from: 'user'})
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    refuse([error.message.replace(/^error: /, '')])
    return 2
  }
  return checked(command.opts())
}

const afterHelp = `
SIGTERM ends the worker and leaves its builds running: the next start goes on with them (or, with --stop drain, waits for them;
a second one does not). SIGINT (Ctrl+C) ends the builds too,
and the master has them tried again. Exit codes: 0 stopped, 2 wrong usage or a master of another protocol, 3 the token was refused.`

interface Raw {
  readonly master: readonly string[]
  readonly name: string
  readonly stateDir: string
  readonly label: readonly string[]
  readonly maxBuilds: string
  readonly tokenFile?: string
  readonly minFree: string
  readonly spoolLimit: string
  readonly spoolFull: string
  readonly engineSocket?: string
  readonly ca?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly stop: 'leave' | 'drain'
  readonly keepWorkspaces: string
}

function checked(raw: Raw): WorkerOptions | number {
  const problems: string[] = []
  const maxBuilds = Number(raw.maxBuilds)
  const minFreeBytes = bytesOf(raw.minFree)
  const token = tokenOf(raw, problems)
  for (const master of raw.master)
    if (!/^https?:\/\/[^/]/.test(master)) problems.push(`--master: "${master}" is no http or https address`)
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(raw.name))
    problems.push(`--name: "${raw.name}" is no worker name`)
  if (!Number.isInteger(maxBuilds) || maxBuilds < 1 || maxBuilds > 1000)
    problems.push('--max-builds: a number from 1 to 1000')
  if (minFreeBytes === null) problems.push(`--min-free: "${raw.minFree}" is no size such as 256MiB`)
  const spoolBytes = bytesOf(raw.spoolLimit)
  const spoolFull = spoolPolicies.find((policy) => policy === raw.spoolFull) ?? null
  if (spoolBytes === null) problems.push(`--spool-limit: "${raw.spoolLimit}" is no size such as 1GiB`)
  else if (spoolBytes < shareMin * maxBuilds)
    problems.push(`--spool-limit: at least 1MiB for each of ${maxBuilds} builds`)
  if (spoolFull === null) problems.push(`--spool-full: "truncate" or "block", not "${raw.spoolFull}"`)
  const identity = {ca: raw.ca || null, cert: raw.tlsCert || null, key: raw.tlsKey || null}
  problems.push(...identityProblems(identity))
  const keepWorkspacesMs = raw.keepWorkspaces === 'never' ? null : timeOf(raw.keepWorkspaces)
  if (keepWorkspacesMs === 0)
    problems.push(`--keep-workspaces: a time such as 12h or 30d, or never, not "${raw.keepWorkspaces}"`)
  if (raw.stateDir.includes('\n')) problems.push('--state-dir: a name of one line')
  for (const label of raw.label)
    if (!/^[^=]+=/.test(label)) problems.push(`--label: "${label}" is not key=value`)
  if (problems.length > 0) refuse(problems)
  if (problems.length > 0 || minFreeBytes === null || spoolBytes === null || spoolFull === null) return 2
  return {
    masters: [...new Set(raw.master.map((master) => master.replace(/\/+$/, '')))],
    name: raw.name,
    token,
    stateDir: resolve(raw.stateDir),
    labels: {...ownLabels(), ...Object.fromEntries(raw.label.map(labelOf))},
    maxBuilds,
    minFreeBytes,
    spoolBytes,
    spoolFull,
    engineSocket: raw.engineSocket ?? null,
    identity,
    keepWorkspacesMs,
    drains: raw.stop === 'drain',
  }
}

/** What is wrong with the files of TLS; they are read again for each connection. */
function identityProblems(identity: IdentityFiles): string[] {
  if ((identity.cert === null) !== (identity.key === null))
    return ['--tls-cert and --tls-key belong together: give both']
  try {
    createSecureContext(readIdentity(identity))
    return []
  } catch (error) {
    const {message} = error as Error
    return [message.startsWith('--') ? message : `--tls-cert, --tls-key, --ca: ${message}`]
  }
}

function tokenOf({tokenFile}: Raw, problems: string[]): string {
  try {
    const token = (
      tokenFile === undefined ? process.env['OSTLER_WORKER_TOKEN'] : readFileSync(tokenFile, 'utf8')
    )?.trim()
    if (!token)
      problems.push(
        `no token${tokenFile === undefined ? '' : ` in ${tokenFile}`}: give --token-file or OSTLER_WORKER_TOKEN (\`ostler token worker NAME\` makes one)`,
      )
    else if (/[^\x21-\x7e]/.test(token)) problems.push('the token is not one word of printable characters')
    return token ?? ''
  } catch (error) {
    problems.push(`--token-file: ${(error as Error).message}`)
    return ''
  }
}

/** A variable holds several in one text. */
const collectWords = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  ...value.split(/\s+/).filter((word) => word !== ''),
]

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]

function labelOf(label: string): [string, string] {
  const at = label.indexOf('=')
  return [label.slice(0, at), label.slice(at + 1)]
}

/** What every worker can say of itself, in Debian's words. */
function ownLabels(): Record<string, string> {
  const debian: Readonly<Record<string, string>> = {
    x64: 'amd64',
    ia32: 'i386',
    arm: 'armhf',
    ppc64: 'ppc64el',
  }
  return {os: process.platform, arch: debian[process.arch] ?? process.arch}
}

const units: Readonly<Record<string, number>> = {'': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3}

function bytesOf(text: string): number | null {
  const [, digits, unit = ''] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? []
  return digits === undefined ? null : Number(digits) * (units[unit] ?? 1)
}

/** In milliseconds; 0 for what is none. */
function timeOf(text: string): number {
  const [, digits, unit] = /^([1-9]\d{0,4})([hd])$/.exec(text) ?? []
  return Number(digits ?? 0) * (unit === 'd' ? 24 : 1) * 3_600_000
}
