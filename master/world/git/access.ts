// What opens a repository, made ready for one run of git and taken away after it; and, where a server does not open,
// what a person can do about it. Passwords travel in the environment, keys in private files: never in arguments.
import {randomBytes} from 'node:crypto'
import {rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Credentials, GitSource} from '../../../config/config.ts'
import {GitFault} from './command.ts'
import type {GitPlace} from './command.ts'

/** The credentials of one source, made ready for git; `close` removes what was written for it. */
export interface Access {
  readonly env: Readonly<Record<string, string>>
  readonly config: readonly string[]
  /** What must not be said. */
  readonly secrets: readonly string[]
  close(): Promise<void>
}

/** Why a repository is opened: only promotions push. */
export type Purpose = 'fetch' | 'push'

/** The credentials for a purpose. */
export const credentialsFor = (source: GitSource, purpose: Purpose): Credentials =>
  purpose === 'push' ? (source.pushCredentials ?? source.credentials) : source.credentials

/** Reads the secrets and lays them out for git: a password in the environment only, a key in a private file. */
export async function openAccess(place: GitPlace, source: GitSource, purpose: Purpose): Promise<Access> {
  const {user, password, sshKey, knownHosts} = credentialsFor(source, purpose)
  const env: Record<string, string> = {}
  const config: string[] = []
  const secrets: string[] = []
  const files: string[] = []
  const close = async () => {
    for (const file of files) await rm(file, {force: true})
  }
  const write = async (kind: string, text: string) => {
    const file = join(place.home, `${kind}-${randomBytes(8).toString('hex')}`)
    files.push(file)
    await writeFile(file, text.endsWith('\n') ? text : `${text}\n`, {mode: 0o600, flag: 'wx'})
    return file
  }
  try {
    if (password) {
      const word = (await place.secret(password.secret)).replace(/\r?\n$/, '')
      env['OSTLER_GIT_USER'] = singleLine(user ?? 'git', source, 'user')
      env['OSTLER_GIT_PASSWORD'] = singleLine(word, source, 'password')
      secrets.push(word)
      // Bound to the configured server, so that a redirect elsewhere does not carry the password along.
      config.push(`credential.${serverOf(source.url)}.helper=${passwordHelper}`)
    }
    let keyFile: string | null = null
    if (sshKey) {
      const key = await place.secret(sshKey.secret)
      secrets.push(key)
      keyFile = await write('key', key)
    }
    const hostsFile = knownHosts === null ? join(place.home, 'known_hosts') : await write('hosts', knownHosts)
    env['GIT_SSH_COMMAND'] = sshCommand({keyFile, hostsFile, isPinned: knownHosts !== null})
  } catch (error) {
    await close()
    throw error
  }
  return {env, config, secrets, close}
}

const passwordHelper =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$OSTLER_GIT_USER" "$OSTLER_GIT_PASSWORD"; }; f'

function singleLine(text: string, source: GitSource, what: string): string {
  if (/[\n\r\0]/.test(text))
    throw new GitFault('auth', `the ${what} of source ${source.name} has more than one line`)
  return text
}

function serverOf(url: string): string {
  try {
    const {protocol, host} = new URL(url)
    return `${protocol}//${host}`
  } catch {
    return url
  }
}

interface Ssh {
  readonly keyFile: string | null
  readonly hostsFile: string
  readonly isPinned: boolean
}

/** Without a key of the configuration, the master's own user and its settings are used, as in a terminal. */
function sshCommand({keyFile, hostsFile, isPinned}: Ssh): string {
  const own = keyFile ? ['-F', '/dev/null', '-i', keyFile, '-o', 'IdentitiesOnly=yes'] : []
  const hosts = keyFile || isPinned ? [`UserKnownHostsFile=${hostsFile}`] : []
  const strict = isPinned
    ? ['StrictHostKeyChecking=yes', 'GlobalKnownHostsFile=/dev/null']
    : ['StrictHostKeyChecking=accept-new']
  const quiet = ['BatchMode=yes', 'ConnectTimeout=20', 'ServerAliveInterval=15', 'ServerAliveCountMax=4']
  const options = [...hosts, ...strict, ...quiet].flatMap((option) => ['-o', option])
  return ['ssh', ...own, ...options].map(shellWord).join(' ')
}

const shellWord = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** What a person can do about a server's words; empty where they say it themselves. */
export function remedy(place: GitPlace, source: GitSource, purpose: Purpose, err: string): string {
  const field = purpose === 'push' ? 'pushCredentials' : 'credentials'
  const {user, password, sshKey, knownHosts} = credentialsFor(source, purpose)
  if (/host key verification failed|host identification has changed/i.test(err))
    return knownHosts === null
      ? `the server shows another key than at first: if that is right, remove its line from ${join(place.home, 'known_hosts')}, or name its key in knownHosts of ${field}`
      : `the server's key is not among knownHosts of ${field}: if it is right, add what ssh-keyscan prints`
  if (/permission denied \(|invalid format|error in libcrypto/i.test(err))
    return sshKey === null
      ? `the server wants a key: name one in ${field} of source ${source.name}`
      : `the server takes no key, or not the one in the secret ${sshKey.secret}: check that it is a whole private key without a passphrase, and that the server knows it`
  if (/returned error: 403/i.test(err))
    return `user ${user ?? 'git'} is known there but not allowed this: give it the right to ${purpose}`
  if (/authentication failed|could not read (username|password)|returned error: 401/i.test(err))
    return password === null
      ? `the server wants a user and password: name them in ${field} of source ${source.name}`
      : `the server does not take user ${user ?? 'git'} with the secret ${password.secret}: put a valid one into it`
  if (/cannot run ssh|ssh: (command )?not found/i.test(err))
    return "ssh is not installed on the master's host: install it (on Debian: apt-get install openssh-client)"
  return ''
}
