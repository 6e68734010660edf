// What a charm may decide on: what Juju says of the unit, its relations and secrets, and how the machine stands.

export type Bag = Readonly<Record<string, string>>

export interface JujuEvent {
  /** As Juju names the hook: `config-changed`, `workers-relation-departed`; an action's is `action`. */
  readonly name: string
  /** The id of the relation that it is about, such as `workers:3`. */
  readonly relation: string | null
  /** The unit that leaves in a `-relation-departed`; it may be this one. */
  readonly departing: string | null
  /** The label of the secret that it is about. */
  readonly secretLabel: string | null
}

export interface Relation {
  readonly endpoint: string
  /** `workers:3`. */
  readonly id: string
  /** The other application; in a relation of peers, this one. */
  readonly app: string
  /** What each unit there says. */
  readonly units: Readonly<Record<string, Bag>>
  /** What the application there says. */
  readonly theirs: Bag
  /** What this unit says. */
  readonly ours: Bag
  /** What this application says, which only its leader may read, save among peers. */
  readonly ourApp: Bag | null
}

/** A secret that this application owns. */
export interface OwnedSecret {
  readonly uri: string
  readonly label: string
  readonly content: Bag
}

export interface UnitState {
  readonly isEnabled: boolean
  /** systemd's word: `active`, `inactive`, `failed`, `activating` … */
  readonly state: string
  /** What the program says of itself, in one line. */
  readonly words: string
  /** What it needs to work by what its files say now. */
  readonly needs: 'nothing' | 'reload' | 'restart'
}

export interface Machine {
  /** Versions of installed packages. */
  readonly packages: Readonly<Record<string, string>>
  /** The texts of the files that the charm keeps; null where there is none. */
  readonly files: Readonly<Record<string, string | null>>
  readonly units: Readonly<Record<string, UnitState>>
  /** The version of the packages in the charm's resource; null without one. */
  readonly resource: string | null
  /** Why the packages cannot be had, as the last attempt said. */
  readonly installProblem: string | null
}

/** The stable's configuration as the charm was given it. */
export type Wanted =
  | {readonly found: 'nothing'}
  | {readonly found: 'text'; readonly text: string}
  | {readonly found: 'problem'; readonly problem: string}

export interface MasterFacts {
  readonly configuration: Wanted
  /** Whether it answers, with which complaints; null when it was not asked. */
  readonly answers: boolean
  /** Workers that are connected, and builds that run. */
  readonly connected: number
  readonly running: number
  /** Whether this unit's master wrote the first administrator's token. */
  readonly hasAdminToken: boolean
  readonly certificateRequest: string | null
}

export interface Scene {
  readonly event: JujuEvent
  readonly unit: string
  readonly app: string
  readonly model: string
  readonly isLeader: boolean
  /** The charm's own version, which is its packages'. */
  readonly version: string
  readonly address: string
  readonly config: Readonly<Record<string, string | number | boolean>>
  readonly relations: readonly Relation[]
  /** What was remembered with the unit. */
  readonly memory: Bag
  /** Other applications' secrets and those of the operator by their URI, as far as this unit may read them. */
  readonly secrets: Readonly<Record<string, Bag>>
  readonly owned: readonly OwnedSecret[]
  readonly ports: readonly string[]
  readonly machine: Machine
  /** Only of a master's charm. */
  readonly master: MasterFacts | null
  /** Container engines that are on the machine. */
  readonly engines: readonly string[]
  /** Images that a worker has of those it should have. */
  readonly images: readonly string[]
  /** Why an image could not be made, as the last attempt said. */
  readonly imageProblem: string | null
}

/** The relations of an endpoint that are not just ending, in the order of their ids. */
export function relationsOf(scene: Scene, endpoint: string): readonly Relation[] {
  return scene.relations.filter((relation) => relation.endpoint === endpoint)
}

/** An option's text, trimmed; '' when it is not set. */
export function textOption(scene: Scene, name: string): string {
  const value = scene.config[name]
  return value === undefined ? '' : String(value).trim()
}

/** The content of the secret that an option names: null when it is not set, 'unreadable' when it was not granted. */
export function secretOption(scene: Scene, name: string): Bag | 'unreadable' | null {
  const uri = textOption(scene, name)
  if (uri === '') return null
  return scene.secrets[uri] ?? 'unreadable'
}

/** Reads a JSON value out of a bag; null for what is not there or no JSON: the other side may be of any version. */
export function jsonIn(text: string | undefined): unknown {
  if (text === undefined || text === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

/** The texts in a JSON object, by name; what is no text is left out. */
export function textsIn(text: string | undefined): Bag {
  const value = jsonIn(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
