// The relation to PostgreSQL (`postgresql_client`): what the master asks for, and the address that it makes of the answer.
import {saying, type Order} from './orders.ts'
import {relationsOf, textOption, textsIn, type Bag, type Relation, type Scene} from './scene.ts'

export type Database =
  /** The one in the state directory, by the operator's choice. */
  | {readonly database: 'embedded'}
  | {readonly database: 'server'; readonly url: string; readonly authority: string | null}
  | {readonly database: 'waiting'; readonly for: string}
  /** `isGone`: it was not chosen wrongly, there is none. */
  | {readonly database: 'blocked'; readonly because: string; readonly isGone: boolean}

const name = 'ostler'

/** What the leader asks a PostgreSQL application for. */
export function askForDatabase(scene: Scene): readonly Order[] {
  if (!scene.isLeader) return []
  const wanted = {
    database: name,
    'requested-secrets': JSON.stringify(['username', 'password', 'tls', 'tls-ca', 'uris']),
  }
  return relationsOf(scene, 'database').flatMap(({id, ourApp}) => saying(id, 'app', ourApp, wanted))
}

/** Which database the master is to use, with the certificate's place for one that uses TLS. */
export function databaseOf(scene: Scene, authorityFile: string): Database {
  const choice = textOption(scene, 'database') || 'postgresql'
  const relations = relationsOf(scene, 'database')
  if (choice === 'embedded') {
    if (relations.length === 0) return {database: 'embedded'}
    return {
      database: 'blocked',
      because: `related to ${relations[0]?.app ?? ''}, yet database=embedded: juju config ${scene.app} database=postgresql (what it has is not moved: see charms/README.md)`,
      isGone: false,
    }
  }
  if (choice !== 'postgresql')
    return {
      database: 'blocked',
      because: `database is "postgresql" or "embedded", not "${choice}"`,
      isGone: false,
    }
  const [relation] = relations
  if (relation === undefined)
    return {
      database: 'blocked',
      because: `needs a database: juju integrate ${scene.app}:database postgresql`,
      isGone: true,
    }
  return serverOf(scene, relation, authorityFile)
}

function serverOf(scene: Scene, relation: Relation, authorityFile: string): Database {
  const {theirs, app} = relation
  // Endpoints come first and credentials later, or the other way round.
  const endpoint = (theirs['endpoints'] ?? '').split(',')[0]?.trim() ?? ''
  if (endpoint === '') return {database: 'waiting', for: `${app} to offer a database`}
  const user = contentOf(scene, theirs, 'secret-user')
  if (user === null) return {database: 'waiting', for: `${app} to grant the database's secret`}
  if (user['username'] === undefined || user['password'] === undefined)
    return {database: 'waiting', for: `${app} to name the database's user`}
  const tls = contentOf(scene, theirs, 'secret-tls') ?? {}
  const authority = tls['tls-ca'] ?? null
  const isEncrypted = (tls['tls'] ?? theirs['tls'] ?? '').toLowerCase() === 'true'
  const given = theirs['database'] || name
  const query = !isEncrypted
    ? ''
    : authority === null
      ? '?sslmode=require&uselibpqcompat=true'
      : `?sslmode=verify-ca&uselibpqcompat=true&sslrootcert=${authorityFile}`
  const login = `${encodeURIComponent(user['username'])}:${encodeURIComponent(user['password'])}`
  return {
    database: 'server',
    url: `postgres://${login}@${endpoint}/${encodeURIComponent(given)}${query}`,
    authority: isEncrypted ? authority : null,
  }
}

/** The secret that the bag names; the bag itself, as Jujus without secrets have it; null for one not granted yet. */
function contentOf(scene: Scene, theirs: Bag, key: string): Bag | null {
  const uri = theirs[key]
  return uri === undefined || uri === '' ? theirs : (scene.secrets[uri] ?? null)
}

/** The secrets that another application names for this unit. */
export function namedSecrets(theirs: Bag, unit: string): readonly string[] {
  const named = Object.entries(theirs).flatMap(([key, uri]) =>
    /^secret-/.test(key) || key === 'operator' ? [uri] : [],
  )
  const credential = textsIn(theirs['credentials'])[unit]
  return [...named, ...(credential === undefined ? [] : [credential])].filter((uri) => uri !== '')
}
