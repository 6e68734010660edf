// ostler-collect-logs: one archive with what a stranger needs to help, and no secret: what is known here as one is taken out in every
// form, and the finished whole is looked through once more.
import {execFile} from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import {hostname, tmpdir} from 'node:os'
import {basename, dirname, join, resolve} from 'node:path'
import {Command} from 'commander'
import {Ending, exits} from '../../master/cli/exits.ts'
import {plural, say, sayError, sayJson} from '../../master/cli/print.ts'
import {ownVersion} from '../../worker/world/place.ts'
import {censored, formsOf, secretsOfEnvironment} from './censor.ts'
import type {Tool} from './tool.ts'
import {collected, type Source} from './sources.ts'

interface Flags {
  readonly output?: string
  readonly since: string
  readonly root: string
  readonly master: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

interface Piece {
  readonly name: string
  readonly text: string
}

const outputMax = 32 * 1024 * 1024

export const collectLogs: Tool = (end) =>
  new Command('ostler-collect-logs')
    .description('write one archive with what a stranger needs to help, and no secrets')
    .option('--output <file>', 'the archive; else ostler-support-HOST-TIME.tar.gz here')
    .option('--since <time>', 'how far back the journals go, as journalctl takes it', '2 days ago')
    .option(
      '--master <url>',
      "the master whose /healthz and /metrics are asked, instead of master.env's OSTLER_MASTER",
      '',
    )
    .option('--root <dir>', 'where the system lies', '/')
    .option('--dry-run', 'only say what would be collected')
    .option('--json', 'write what was collected as JSON')
    .addHelpText(
      'after',
      `
In it: versions, the state of the services and their journals, the configuration and environment, /healthz and /metrics, disks,
what lies in the state directories (names and sizes). Secrets, tokens and passwords are taken out, wherever they stand; look into it
all the same before you send it: the journals tell what your builds do. Run it as root, or things are missing, which missing.txt
lists.

Exit codes: 0 done, 1 a secret was found in the finished archive, which was not written; 2 wrong usage.`,
    )
    .action(async (flags: Flags) => {
      const sources = collected({root: flags.root, since: flags.since, master: masterOf(flags)})
      if (flags.dryRun)
        return flags.json
          ? sayJson({items: sources})
          : sources.forEach(({name, from}) => say(`${name}: ${told(from)}`))
      const target = resolve(flags.output ?? `ostler-support-${hostname()}-${stampOf(new Date())}.tar.gz`)
      if (existsSync(target)) throw new Ending(exits.usage, `${target} exists already`)
      const {pieces, missing} = await gather(sources)
      const secrets = knownSecrets(flags.root)
      const clean = pieces.map(({name, text}) => ({name, text: censored(text, secrets)}))
      const leak = clean.find(({text}) => secrets.some((form) => text.includes(form)))
      if (leak) {
        sayError(`a secret is left in ${leak.name}: nothing was written`)
        return end(exits.failed)
      }
      await write(target, [...clean, {name: 'missing.txt', text: censored(missing.join('\n'), secrets)}])
      if (flags.json) sayJson({file: target, pieces: clean.map(({name}) => name), missing})
      else
        say(
          `${target}: ${plural(clean.length, 'piece')}, ${String(missing.length)} missing. Look into it before you send it.`,
        )
    })

const told = (from: Source['from']): string =>
  'command' in from ? from.command.join(' ') : 'file' in from ? from.file : from.url

const stampOf = (at: Date): string => at.toISOString().replace(/[-:]|\.\d+/g, '')

function masterOf({root, master}: Flags): string {
  if (master !== '') return master
  const environment = textOf(join(root, 'etc/ostler/master.env')) ?? ''
  return /^OSTLER_MASTER=(\S+)$/m.exec(environment)?.[1] ?? 'http://127.0.0.1:8010'
}

const textOf = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

async function gather(
  sources: readonly Source[],
): Promise<{pieces: readonly Piece[]; missing: readonly string[]}> {
  const pieces: Piece[] = []
  const missing: string[] = []
  pieces.push({name: 'ostler.txt', text: `ostler ${ownVersion()}, node ${process.version}\n`})
  for (const {name, from} of sources) {
    const {text, wrong} =
      'command' in from
        ? await ran(from.command)
        : 'url' in from
          ? await asked(from.url)
          : readFiles(from.file)
    if (wrong !== null) missing.push(`${name}: ${wrong}`)
    if (text !== '') pieces.push({name, text})
  }
  return {pieces, missing}
}

interface Got {
  readonly text: string
  readonly wrong: string | null
}

function ran([program = '', ...args]: readonly string[]): Promise<Got> {
  const options = {
    timeout: 60_000,
    maxBuffer: outputMax,
    env: {...process.env, LC_ALL: 'C.UTF-8', SYSTEMD_COLORS: '0', PAGER: 'cat'},
  }
  return new Promise((done) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = (error as NodeJS.ErrnoException | null)?.code
      done({
        text: stdout + (stderr === '' ? '' : `\n${stderr}`),
        wrong:
          code === 'ENOENT'
            ? `${program} is not installed`
            : error !== null && stdout === ''
              ? (error.message.split('\n')[0] ?? '')
              : null,
      })
    })
  })
}

async function asked(url: string): Promise<Got> {
  try {
    const response = await fetch(url, {signal: AbortSignal.timeout(20_000)})
    return {text: `${url} answers ${String(response.status)}\n\n${await response.text()}`, wrong: null}
  } catch (error) {
    const {cause, message} = error as {cause?: {code?: string}; message: string}
    return {text: '', wrong: `${url}: ${cause?.code ?? message}`}
  }
}

function readFiles(file: string): Got {
  try {
    return {text: readFileSync(file, 'utf8'), wrong: null}
  } catch (error) {
    return {text: '', wrong: (error as Error).message}
  }
}

/** Everything that this host knows to be secret, in every form. Files of secrets are read for nothing else. */
function knownSecrets(root: string): readonly string[] {
  const at = (place: string) => join(root, place)
  const folders = ['etc/ostler/secrets', 'etc/credstore', 'run/credstore'].map(at)
  const files = [
    ...folders.flatMap(filesBelow),
    ...filesBelow(at('etc/ostler')).filter((file) => /(token|\.key|\.pem|password)/i.test(basename(file))),
    at('var/lib/ostler/master/admin-token'),
  ]
  const environments = filesBelow(at('etc/ostler')).filter((file) => file.endsWith('.env'))
  const secrets = [
    ...files.flatMap((file) => textOf(file) ?? []),
    ...environments.flatMap((file) => secretsOfEnvironment(textOf(file) ?? '')),
    ...secretsOfEnvironment(
      Object.entries(process.env)
        .map(([name, value]) => `${name}=${value ?? ''}`)
        .join('\n'),
    ),
  ]
  return [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, {recursive: true, withFileTypes: true})
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => statSync(file).size < 1024 * 1024)
  } catch {
    return []
  }
}

async function write(target: string, pieces: readonly Piece[]): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'ostler-support-'))
  const folder = basename(target).replace(/\.tar\.gz$/, '')
  try {
    for (const {name, text} of pieces) {
      const file = join(work, folder, name)
      mkdirSync(dirname(file), {recursive: true})
      writeFileSync(file, text)
    }
    const {wrong} = await ran([
      'sh',
      '-c',
      `umask 077 && tar -C '${work}' -czf "$1" "$2"`,
      'sh',
      target,
      folder,
    ])
    if (wrong !== null || !existsSync(target))
      throw new Ending(exits.failed, `${target} was not written: ${wrong ?? 'tar failed'}`)
  } finally {
    rmSync(work, {recursive: true, force: true})
  }
}
