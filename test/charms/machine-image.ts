// A machine as the charms' hands find it, in memory: files, packages, systemd's units, and an `ostler` whose masters share the
// databases that they name. The booted machine of test/packages/charms.test.ts is the real one.
import {createHash} from 'node:crypto'
import type {Hands, Outcome} from '../../charms/world/hands.ts'
import {runTool, toolNames, type Context} from './tools.ts'

export interface Token {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly text: string
  isRevoked: boolean
}

/** What masters keep: tokens, by the database's address. */
export type Databases = Map<string, Token[]>

interface UnitImage {
  isEnabled: boolean
  state: 'active' | 'inactive' | 'failed'
  /** The texts that it was started with, which a restart reads anew. */
  runsWith: string
}

const unitsOfPackage: Readonly<Record<string, readonly string[]>> = {
  'ostler-master': ['buildmaster.service', 'ostler-promote.timer', 'ostler-backup.timer'],
  'ostler-worker': ['ostler-worker.service'],
}
const readBy: Readonly<Record<string, readonly string[]>> = {
  'buildmaster.service': ['/etc/ostler/master.env', '/etc/ostler/ostler.yaml'],
  'ostler-worker.service': ['/etc/ostler/worker.env', '/etc/ostler/worker.token'],
}

/** A hook that died. */
export class Died extends Error {}

export class MachineImage implements Hands {
  readonly files = new Map<string, string>()
  readonly packages = new Map<string, string>()
  readonly units = new Map<string, UnitImage>()
  /** What changed here, for tests that say that nothing does. */
  readonly changes: string[] = []
  readonly #databases: Databases
  readonly #id: string
  /** Versions that its archives have. */
  archive: readonly string[] = ['1.0']
  context: Context | null = null
  /** Whether the machine loses its power before this program or write: the hook dies with what it had done. */
  dies: () => boolean = () => false

  constructor(databases: Databases, id: string) {
    this.#databases = databases
    this.#id = id
  }

  place = (path: string): string => path
  read = (path: string): string | null => this.files.get(path) ?? null

  write(path: string, text: string, _mode: number, _group?: string): void {
    if (this.dies()) throw new Died()
    this.#note(path, this.files.get(path) === text ? null : `wrote ${path}`)
    this.files.set(path, text)
  }

  remove(path: string): void {
    this.#note(path, this.files.delete(path) ? `removed ${path}` : null)
  }

  /** What is only on its way somewhere, and the charm's own notes, are no change to the machine. */
  #note(path: string, words: string | null): void {
    if (words !== null && !/^\/(run|var\/lib\/ostler-charm)\//.test(path)) this.changes.push(words)
  }

  run(argv: readonly string[], {input = '', env = {}} = {}): Outcome {
    const [program = '', ...args] = argv
    if (this.dies()) throw new Died()
    if (toolNames.includes(program) && this.context !== null)
      return runTool(this.context, argv, input, (path) => this.files.get(path) ?? '')
    switch (program) {
      case 'dpkg-query':
        return ok([...this.packages].map(([name, version]) => `${name} installed ${version}`).join('\n'))
      case 'apt-get':
        return this.#aptGet(args)
      case 'tar':
        return args[0] === '-tf' ? ok(`ostler-common_${this.files.get(args[1]!) ?? ''}_all.deb\n`) : ok('')
      case 'find':
        return ok(['common', 'master', 'worker'].map((name) => `/x/ostler-${name}_1.deb`).join('\n'))
      case 'systemctl':
        return this.#systemctl(args)
      case 'ostler':
        return this.#ostler(args, env)
      case 'openssl':
        return ok(`-----BEGIN ${args[0] ?? ''}-----\n${this.#id}\n-----END-----\n`)
      default:
        return ok('')
    }
  }

  #aptGet(args: readonly string[]): Outcome {
    if (!args.includes('install')) return ok('')
    for (const word of args.filter((arg) => /ostler-/.test(arg))) {
      const [, name = '', asked] = /(ostler-\w+)(?:=(.+))?/.exec(word) ?? []
      const version = asked ?? this.#resourceVersion()
      if (asked !== undefined && !this.archive.includes(asked))
        return failed(100, `E: Version '${asked}' for '${name}' was not found`)
      this.packages.set(name, version)
      this.changes.push(`installed ${name} ${version}`)
      for (const unit of unitsOfPackage[name] ?? [])
        if (!this.units.has(unit))
          this.units.set(unit, {isEnabled: unit.endsWith('.service'), state: 'inactive', runsWith: ''})
    }
    return ok('')
  }

  #resourceVersion(): string {
    const {model, unit} = this.context!
    return this.files.get(model.applications[unit.split('/')[0]!]!.resource ?? '') ?? '?'
  }

  #systemctl(args: readonly string[]): Outcome {
    const [verb = ''] = args
    const name = args.find((arg) => /\.(service|timer)$/.test(arg)) ?? ''
    const unit = this.units.get(name)
    if (verb === 'show') return ok(shown(unit))
    if (unit === undefined) return failed(5, `Unit ${name} not loaded.`)
    if (['mask', 'unmask', 'reset-failed'].includes(verb)) return ok('')
    if (verb !== 'disable' || unit.state === 'active') this.changes.push(`${verb} ${name}`)
    const before = {...unit}
    unit.isEnabled = verb === 'disable' ? false : verb === 'enable' ? true : unit.isEnabled
    unit.state = verb === 'disable' ? 'inactive' : 'active'
    unit.runsWith = (readBy[name] ?? []).map((path) => this.files.get(path) ?? '').join('\n')
    if (name === 'buildmaster.service' && before.state !== 'active' && unit.state === 'active')
      this.#firstToken()
    return ok('')
  }

  /** As a real master does when its database knows no administrator yet. */
  #firstToken(): void {
    const tokens = this.#tokens()
    if (tokens.some(({kind}) => kind === 'admin')) return
    this.files.set('/var/lib/ostler/master/admin-token', this.#make(tokens, 'admin', 'admin').text)
  }

  #make(tokens: Token[], kind: string, name: string): Token {
    const id = String(tokens.length + 1)
    const text = `token-${createHash('sha1').update(`${this.#database()} ${id}`).digest('hex')}`
    const token = {id, kind, name, text, isRevoked: false}
    tokens.push(token)
    return token
  }

  #database(): string {
    const address = /OSTLER_DATABASE_URL="([^"]*)"/.exec(this.files.get('/etc/ostler/master.env') ?? '')?.[1]
    return address?.replace(/^.*@/, '') ?? `embedded in ${this.#id}`
  }

  #tokens(): Token[] {
    const known = this.#databases.get(this.#database()) ?? []
    this.#databases.set(this.#database(), known)
    return known
  }

  #ostler(args: readonly string[], env: Readonly<Record<string, string>>): Outcome {
    if (!this.packages.has('ostler-common')) return failed(127, 'ostler: not found')
    const [verb = '', second = '', third = ''] = args
    if (verb === 'check-config')
      return this.files.get(second)?.includes('wrong') ? failed(1, `${second}:1:1 it is wrong\n`) : ok('good')
    if (this.units.get('buildmaster.service')?.state !== 'active')
      return failed(3, 'the master could not be reached')
    const tokens = this.#tokens()
    const shown = env['OSTLER_TOKEN'] || (this.files.get('/var/lib/ostler/master/admin-token') ?? '')
    if (!tokens.some(({text, isRevoked, kind}) => text === shown && !isRevoked && kind !== 'worker'))
      return failed(3, 'the token is not known')
    if (verb === 'workers') return ok('{"items": []}')
    if (verb !== 'token')
      return (this.changes.push(args.slice(0, 2).join(' ')), ok(JSON.stringify({done: verb})))
    if (second === 'list')
      return ok(
        JSON.stringify({items: tokens.map((one) => ({...one, revokedAt: one.isRevoked ? 'then' : null}))}),
      )
    if (!/^[A-Za-z0-9._@-]{1,100}$/.test(third)) return failed(2, 'the body is not as it should be')
    this.changes.push(`token ${second}`)
    if (second === 'revoke') {
      const token = tokens.find(({id}) => id === third)
      if (token === undefined) return failed(1, 'there is no such token')
      token.isRevoked = true
      return ok('')
    }
    const {id, text} = this.#make(tokens, second, third)
    return ok(JSON.stringify({id, token: text}))
  }
}

function shown(unit: UnitImage | undefined): string {
  if (unit === undefined) return 'LoadState=not-found\n'
  const {isEnabled, state} = unit
  return `LoadState=loaded\nUnitFileState=${isEnabled ? 'enabled' : 'disabled'}\nActiveState=${state}\nStatusText=\n`
}

const ok = (out: string): Outcome => ({code: 0, out, err: ''})
const failed = (code: number, err: string): Outcome => ({code, out: '', err})
