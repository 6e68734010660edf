// The relation between masters and workers (`ostler_worker`). Each worker unit names its worker; the masters' leader hands it a
// token in a secret that only this unit may read, and takes the old one back when the worker has said that it uses the new.
import {saying, type Order} from './orders.ts'
import {relationsOf, textOption, textsIn, type OwnedSecret, type Relation, type Scene} from './scene.ts'

/** Said by a worker unit: `name`, `labels`, `max-builds`, `version`, and `credential`, the id of the token it uses. */
export interface Announced {
  readonly relation: string
  readonly unit: string
  readonly worker: string
  readonly credential: string
}

const labelStart = 'worker-credential '
const rotations = ['never', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly']

/** How a worker unit's secret is called among the masters'. */
export const credentialLabel = (unit: string): string => `${labelStart}${unit}`

/** Of several units that claim one name the first in order has it: a token is for one worker. */
export function announced(scene: Scene): {
  readonly all: readonly Announced[]
  readonly refused: readonly string[]
} {
  const claims = relationsOf(scene, 'workers').flatMap((relation) => claimsOf(relation))
  const kept = new Map<string, Announced>()
  const refused: string[] = []
  for (const claim of claims.sort(
    (a, b) => inOrder(scene, a) - inOrder(scene, b) || (a.unit < b.unit ? -1 : 1),
  ))
    if (kept.has(claim.worker))
      refused.push(`${claim.unit} is called ${claim.worker} like ${kept.get(claim.worker)?.unit ?? ''}`)
    else kept.set(claim.worker, claim)
  return {all: [...kept.values()], refused}
}

/** Who has the name already keeps it. */
const inOrder = (scene: Scene, {unit, worker}: Announced): number =>
  scene.owned.some(({label, content}) => label === credentialLabel(unit) && content['name'] === worker)
    ? 0
    : 1

function claimsOf({id, units}: Relation): Announced[] {
  return Object.entries(units).flatMap(([unit, bag]) => {
    const worker = bag['name'] ?? ''
    return worker === '' ? [] : [{relation: id, unit, worker, credential: bag['credential'] ?? ''}]
  })
}

/** How often Juju asks for new tokens, or what is wrong with the option. */
export function rotationOf(scene: Scene): {readonly rotate: string} | {readonly problem: string} {
  const rotate = textOption(scene, 'worker-credential-rotation') || 'never'
  return rotations.includes(rotate)
    ? {rotate}
    : {problem: `worker-credential-rotation is one of ${rotations.join(', ')}, not "${rotate}"`}
}

/**
 * What the leader does for the workers: tokens for new ones, new tokens for renamed ones, and the end of those of units that are
 * gone. `isLeaving`: this unit is being removed, and sees everybody go.
 */
export function planCredentials(scene: Scene, {isLeaving}: {isLeaving: boolean}): readonly Order[] {
  const rotation = rotationOf(scene)
  if (!scene.isLeader || 'problem' in rotation) return []
  const {all} = announced(scene)
  const owned = new Map(scene.owned.map((secret) => [secret.label, secret]))
  const made = all.flatMap(({relation, unit, worker}): Order[] => {
    const secret = owned.get(credentialLabel(unit))
    if (secret === undefined)
      return [{order: 'make-credential', relation, unit, worker, rotate: rotation.rotate}]
    return secret.content['name'] === worker ? [] : [renewal(secret, unit, worker)]
  })
  const told = relationsOf(scene, 'workers').flatMap(({id, ourApp}) => {
    const here = all.filter(({relation}) => relation === id)
    const uris = here.flatMap(({unit}) => {
      const uri = owned.get(credentialLabel(unit))?.uri
      return uri === undefined ? [] : [[unit, uri] as const]
    })
    return saying(id, 'app', ourApp, {credentials: sortedJson(Object.fromEntries(uris))})
  })
  return [...made, ...told, ...(isLeaving ? [] : planEnds(scene))]
}

/** What the leader does when a rotation is due: nothing while the worker has not taken up the last one. */
export function planRotation(scene: Scene, label: string): readonly Order[] {
  const secret = scene.owned.find((one) => one.label === label)
  const claim = announced(scene).all.find(({unit}) => credentialLabel(unit) === label)
  if (!scene.isLeader || secret === undefined || claim === undefined) return []
  if (claim.credential !== secret.content['id']) return []
  return [renewal(secret, claim.unit, claim.worker)]
}

/** The order that gives a unit a new token. */
export const renewal = ({uri, label}: OwnedSecret, unit: string, worker: string): Order => ({
  order: 'renew-credential',
  uri,
  label,
  unit,
  worker,
})

/** Tokens that were replaced, and the end of what units had that are gone. */
function planEnds(scene: Scene): readonly Order[] {
  const [cluster] = relationsOf(scene, 'cluster')
  const present = new Set(relationsOf(scene, 'workers').flatMap(({units}) => Object.keys(units)))
  const gone = scene.owned.filter(
    ({label}) => label.startsWith(labelStart) && !present.has(label.slice(labelStart.length)),
  )
  const ends = gone.flatMap(({uri, content}): Order[] => [
    {order: 'revoke-token', token: content['id'] ?? ''},
    {order: 'remove-secret', uri},
  ])
  if (cluster === undefined) return ends
  // Replaced tokens, by their id: the label of the secret that replaced them.
  const replaced = textsIn(cluster.ourApp?.['replaced'])
  const {all} = announced(scene)
  const over = Object.entries(replaced).filter(([, label]) => {
    const secret = scene.owned.find((one) => one.label === label)
    const claim = all.find(({unit}) => credentialLabel(unit) === label)
    return secret === undefined || gone.includes(secret) || claim?.credential === secret.content['id']
  })
  if (over.length === 0) return ends
  const left = Object.fromEntries(
    Object.entries(replaced).filter(([token]) => !over.some(([other]) => other === token)),
  )
  return [
    ...ends,
    ...over.map(([token]): Order => ({order: 'revoke-token', token})),
    ...saying(cluster.id, 'app', cluster.ourApp, {replaced: sortedJson(left)}),
  ]
}

/** Workers rest while their units wish it (`wish: drain`); the leader keeps what it has asked for, so that it asks once. */
export function planWishes(scene: Scene): readonly Order[] {
  const [cluster] = relationsOf(scene, 'cluster')
  if (!scene.isLeader || cluster === undefined) return []
  const drained = textsIn(cluster.ourApp?.['drained'])
  const wishes = relationsOf(scene, 'workers').flatMap(({units}) =>
    Object.values(units).flatMap(({name, wish}) => (wish === 'drain' && name ? [name] : [])),
  )
  const begun = wishes.filter((worker) => drained[worker] === undefined)
  const ended = Object.keys(drained).filter((worker) => !wishes.includes(worker))
  const now = Object.fromEntries(wishes.map((worker) => [worker, 'drain']))
  return [
    ...begun.map((worker): Order => ({order: 'drain', worker})),
    ...ended.map((worker): Order => ({order: 'resume', worker})),
    ...saying(cluster.id, 'app', cluster.ourApp, {drained: sortedJson(now)}),
  ]
}

/** JSON whose text depends on nothing but its content; '' for an empty object. */
export function sortedJson(value: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.length === 0 ? '' : JSON.stringify(Object.fromEntries(entries))
}
