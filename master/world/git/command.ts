// Every run of git by the master goes through here: own home and configuration, no hooks, no prompts, an allow-list
// of protocols, a time limit, and only the credentials of the source at hand.
import {mkdir, writeFile} from 'node:fs/promises'
import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import {simpleGit} from 'simple-git'
import {maskOf} from '../../../worker/core/mask.ts'
import type {Access} from './access.ts'
import {killMarked, markName} from './leftovers.ts'

/** What git did, whatever its exit code; `code` is null when it was stopped by its time limit. */
export interface GitAnswer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Git could not do what was asked; `kind` says whether trying again may help. */
export class GitFault extends Error {
  readonly kind: 'unreachable' | 'auth' | 'timeout' | 'damaged' | 'failed'
  constructor(kind: GitFault['kind'], message: string) {
    super(message)
    this.name = 'GitFault'
    this.kind = kind
  }
}

/** Where git may write, and what it may need to know. */
export interface GitPlace {
  /** A private directory that stands in for HOME. */
  readonly home: string
  readonly secret: (name: string) => Promise<string>
}

export interface RunOptions {
  readonly cwd: string
  readonly limitMs: number
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly access?: Access
}

/** What of the master's own environment git gets to see: where programs and proxies are, nothing else. */
const passed = [
  'PATH',
  'TMPDIR',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
]

const allowedEnvironment = [
  'GIT_ALLOW_PROTOCOL',
  'GIT_TERMINAL_PROMPT',
  'GIT_ASKPASS',
  'SSH_ASKPASS',
  'SSH_ASKPASS_REQUIRE',
  'GIT_CONFIG_NOSYSTEM',
  'GIT_SSH_COMMAND',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_AUTHOR_DATE',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
  'GIT_COMMITTER_DATE',
]

const hardening = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'protocol.ext.allow=never',
  'credential.helper=',
  'fetch.fsckObjects=false',
  // A collection of garbage in the background would outlive the lock on its mirror.
  'gc.autoDetach=false',
  'maintenance.autoDetach=false',
  'http.lowSpeedLimit=100',
  'http.lowSpeedTime=60',
]

/** Runs git once. Answers for every exit code; faults only when it could not start or ran out of time. */
export async function runGit(
  place: GitPlace,
  argv: readonly string[],
  options: RunOptions,
): Promise<GitAnswer> {
  const limit = AbortSignal.timeout(options.limitMs)
  const mark = randomBytes(12).toString('hex')
  let answer: GitAnswer = {code: 0, out: '', err: ''}
  const git = simpleGit({
    baseDir: options.cwd,
    abort: limit,
    config: [...hardening, ...(options.access?.config ?? [])],
    // Output is read to its end; the grace after exit is for a grandchild that keeps the pipe open.
    completion: {onClose: true, onExit: 1000},
    ...(options.input === undefined ? {} : {input: () => options.input}),
    errors: (error, result) => {
      answer = {
        code: limit.aborted ? null : result.exitCode,
        out: Buffer.concat(result.stdOut).toString('utf8'),
        err: masked(Buffer.concat(result.stdErr), options.access),
      }
      return limit.aborted || result.exitCode < 0 ? (error ?? new Error('git was stopped')) : undefined
    },
    allowEnvironment: allowedEnvironment,
    unsafe: {
      allowUnsafeHooksPath: true,
      allowUnsafeFsMonitor: true,
      allowUnsafeProtocolOverride: true,
      allowUnsafeCredentialHelper: true,
      allowUnsafeSshCommand: true,
      allowUnsafeAskPass: true,
    },
  }).env({...environment(place, options), [markName]: mark})
  try {
    await git.raw([...argv])
  } catch (error) {
    if (limit.aborted) {
      await killMarked(mark)
      return {
        ...answer,
        code: null,
        err: `${answer.err}\ngit took longer than ${options.limitMs / 1000} s`.trim(),
      }
    }
    if (isMissing(error))
      throw new GitFault(
        'failed',
        "git is not installed on the master's host: install it (on Debian: apt-get install git)",
      )
    // Simple-git's own guard against dangerous arguments, or a program that could not be started.
    throw new GitFault('failed', tidyWords(error instanceof Error ? error.message : String(error)))
  }
  return answer
}

const isMissing = (error: unknown): boolean =>
  /spawn git ENOENT/.test(error instanceof Error ? error.message : String(error))

/** A server may repeat what it was given. */
const masked = (words: Buffer, access: Access | undefined): string =>
  Buffer.from(maskOf(access?.secrets ?? [])(words, true).bytes).toString('utf8')

function environment(place: GitPlace, options: RunOptions): Record<string, string> {
  const inherited = passed.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]] as const],
  )
  return {
    ...Object.fromEntries(inherited as [string, string][]),
    HOME: place.home,
    XDG_CONFIG_HOME: place.home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // Nobody sits here to be asked: not by git, and not by ssh where there happens to be a display.
    GIT_ASKPASS: 'true',
    SSH_ASKPASS: 'true',
    SSH_ASKPASS_REQUIRE: 'never',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    ...options.access?.env,
    ...options.env,
  }
}

/** Makes the private home. Its configuration trusts every local path: only repositories that the master is configured with are named. */
export async function makeHome(home: string): Promise<void> {
  await mkdir(home, {recursive: true, mode: 0o700})
  await writeFile(join(home, '.gitconfig'), '[safe]\n\tdirectory = *\n', {mode: 0o600})
}

const authWords =
  /authentication failed|could not read (username|password)|permission denied \(|invalid credentials|returned error: 40[13]|host key verification failed|access denied|invalid format|error in libcrypto/i
const damageWords =
  /not a git repository|bad object|object file .* is empty|corrupt|did not send all necessary objects|missing (blob|tree|commit)|unable to read (tree|sha1 file)|invalid sha1 pointer|pack has \d+ unresolved/i
const netWords =
  /could not resolve|connection (refused|reset|timed out)|unable to connect|couldn't connect|unable to access|could not read from remote|hung up|network is unreachable|does not appear to be a git repository|early eof|operation timed out|no route to host|repository .* (not found|does not exist)|transfer closed|unexpected disconnect|rpc failed|invalid index-pack output|banner exchange/i

/** What kind of failure git's words tell of. */
export function faultKind(answer: GitAnswer): GitFault['kind'] {
  if (answer.code === null) return 'timeout'
  if (authWords.test(answer.err)) return 'auth'
  if (netWords.test(answer.err)) return 'unreachable'
  return damageWords.test(answer.err) ? 'damaged' : 'failed'
}

// What ssh says at length about a key it does not know: our own remedy says it in one line.
const verbose =
  /^(hint:|@+( |$)|it is possible that|someone could be|it is also possible|please |and the repository exists|add correct host key|offending |remove with:|ssh-keygen )/i

/** Git's own words, short, on few lines, and without a password that a URL may hold. */
export function tidyWords(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !verbose.test(line))
  return lines
    .slice(0, 8)
    .join('; ')
    .replace(/(\w+:\/\/)[^/@\s]*@/g, '$1')
    .slice(0, 1000)
}

/** The answer of a run that had to succeed. */
export function wanted(answer: GitAnswer, what: string): string {
  if (answer.code === 0) return answer.out
  throw new GitFault(
    faultKind(answer),
    `${what}: ${tidyWords(answer.err) || `git ended with ${answer.code}`}`,
  )
}
