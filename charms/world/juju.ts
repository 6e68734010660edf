// Juju's hook tools, each as a function. What Juju refuses is a `ToolRefused` with its own words.
import type {Bag, OwnedSecret} from '../core/scene.ts'
import type {Status} from '../core/orders.ts'
import type {Hands} from './hands.ts'

/** Juju would not do it. */
export class ToolRefused extends Error {
  override readonly name = 'ToolRefused'
}

export class Juju {
  readonly #hands: Hands
  /** Secrets that this run made or changed: Juju's own lists have them only when the hook has ended well. */
  readonly #fresh = new Map<string, OwnedSecret>()
  readonly #removed = new Set<string>()

  constructor(hands: Hands) {
    this.#hands = hands
  }

  config(): Readonly<Record<string, string | number | boolean>> {
    return (this.#json(['config-get']) ?? {}) as Record<string, string | number | boolean>
  }

  isLeader(): boolean {
    return this.#json(['is-leader']) === true
  }

  address(endpoint: string): string {
    const network = this.#json(['network-get', endpoint]) as {'ingress-addresses'?: string[]}
    const [address] = network['ingress-addresses'] ?? []
    if (address === undefined) throw new ToolRefused(`network-get ${endpoint} knows no address`)
    return address
  }

  relationIds(endpoint: string): string[] {
    return ((this.#json(['relation-ids', endpoint]) as string[] | null) ?? []).sort()
  }

  /** The units on the other side; none once the relation is ending. */
  relationUnits(id: string): string[] {
    return ((this.#tried(['relation-list', '-r', id]) as string[] | null) ?? []).sort()
  }

  relationApp(id: string): string | null {
    return this.#tried(['relation-list', '-r', id, '--app']) as string | null
  }

  /** What a unit, or an application, says in a relation; empty for what is gone meanwhile. */
  relationGet(id: string, whose: string): Bag {
    const application = whose.includes('/') ? [] : ['--app']
    return (this.#tried(['relation-get', '-r', id, ...application, '-', whose]) as Bag | null) ?? {}
  }

  /** A name with '' is taken out. */
  relationSet(id: string, scope: 'unit' | 'app', data: Bag): void {
    const application = scope === 'app' ? ['--app'] : []
    this.#do(['relation-set', '-r', id, ...application, '--file', '-'], JSON.stringify(data))
  }

  memory(): Bag {
    return (this.#json(['state-get']) as Bag | null) ?? {}
  }

  remember(data: Bag): void {
    this.#do(['state-set', '--file', '-'], JSON.stringify(data))
  }

  ports(): string[] {
    return (this.#json(['opened-ports']) as string[] | null) ?? []
  }

  openPort(port: string): void {
    this.#do(['open-port', port])
  }

  closePort(port: string): void {
    this.#do(['close-port', port])
  }

  setStatus({status, words}: Status): void {
    this.#do(['status-set', status, words])
  }

  setVersion(version: string): void {
    this.#do(['application-version-set', version])
  }

  log(level: 'INFO' | 'WARNING', words: string): void {
    this.#do(['juju-log', '-l', level, words])
  }

  /** The file of a resource, or null when the operator attached none. */
  resource(name: string): string | null {
    const {code, out} = this.#hands.run(['resource-get', name])
    return code === 0 ? out.trim() : null
  }

  /** The newest content of a secret, or null for one that this unit may not read (yet). */
  secret(uri: string): Bag | null {
    const {code, out} = this.#hands.run(['secret-get', uri, '--refresh', '--format=json'])
    return code === 0 ? (JSON.parse(out) as Bag) : null
  }

  /** The secrets of this application; Juju shows them to its leader only. */
  owned(): OwnedSecret[] {
    const ids = (this.#json(['secret-ids']) as string[] | null) ?? []
    const listed = ids.map(withScheme).flatMap((uri) => this.#ownedOf(uri))
    const fresh = [...this.#fresh.values()]
    return [...listed.filter(({uri}) => !this.#fresh.has(uri) && !this.#removed.has(uri)), ...fresh]
  }

  /** Makes a secret of the application; answers its URI. */
  addSecret(label: string, content: Bag, more: readonly string[] = []): string {
    const argv = ['secret-add', '--label', label, '--owner', 'application', ...more]
    const uri = this.#withContent(argv, content).trim()
    this.#fresh.set(uri, {uri, label, content})
    return uri
  }

  /** Gives a secret a new revision. */
  changeSecret({uri, label}: {uri: string; label: string}, content: Bag): void {
    this.#withContent(['secret-set', uri], content)
    this.#fresh.set(uri, {uri, label, content})
  }

  grantSecret(uri: string, relation: string, unit: string): void {
    this.#do(['secret-grant', uri, '-r', relation, '--unit', unit])
  }

  removeSecret(uri: string): void {
    this.#do(['secret-remove', uri])
    this.#fresh.delete(uri)
    this.#removed.add(uri)
  }

  actionParameters(): Readonly<Record<string, unknown>> {
    return (this.#json(['action-get']) ?? {}) as Record<string, unknown>
  }

  /** Results of the action; names are of small letters, digits and dashes. */
  actionSet(results: Bag): void {
    this.#do(['action-set', ...Object.entries(results).map(([name, value]) => `${name}=${value}`)])
  }

  actionFail(words: string): void {
    this.#do(['action-fail', words])
  }

  #ownedOf(uri: string): OwnedSecret[] {
    const info = this.#tried(['secret-info-get', uri]) as Record<string, {label?: string}> | null
    const label = Object.values(info ?? {})[0]?.label
    const content = label === undefined ? null : this.#tried(['secret-get', uri, '--peek'])
    return label === undefined || content === null ? [] : [{uri, label, content: content as Bag}]
  }

  /** Values go through files that only root reads: arguments are for every process to see. */
  #withContent(argv: readonly string[], content: Bag): string {
    const folder = `/run/ostler-charm-${process.pid}`
    const files = Object.entries(content).map(([key, value]) => ({key, path: `${folder}/${key}`, value}))
    try {
      for (const {path, value} of files) this.#hands.write(path, value, 0o600)
      return this.#do([...argv, ...files.map(({key, path}) => `${key}#file=${this.#hands.place(path)}`)])
    } finally {
      for (const {path} of files) this.#hands.remove(path)
    }
  }

  #json(argv: readonly string[]): unknown {
    const out = this.#do([...argv.slice(0, 1), '--format=json', ...argv.slice(1)])
    return out.trim() === '' ? null : (JSON.parse(out) as unknown)
  }

  /** null where Juju refuses: the other side may be gone since the last look. */
  #tried(argv: readonly string[]): unknown {
    try {
      return this.#json(argv)
    } catch (error) {
      if (error instanceof ToolRefused) return null
      throw error
    }
  }

  #do(argv: readonly string[], input = ''): string {
    const {code, out, err} = this.#hands.run(argv, {input})
    if (code !== 0) throw new ToolRefused(`${argv.slice(0, 3).join(' ')}: ${err.trim() || `exit ${code}`}`)
    return out
  }
}

const withScheme = (id: string): string => (id.startsWith('secret:') ? id : `secret:${id}`)
