// ostler-cleanup-containers: removes what builds left on this host's engine and nobody holds any more, by Ostler's labels only.
import {statSync} from 'node:fs'
import {Command} from 'commander'
import type Docker from 'dockerode'
import {exits} from '../../master/cli/exits.ts'
import {plain, plural, say, sayError, sayJson, table} from '../../master/cli/print.ts'
import {span} from '../../master/cli/verb.ts'
import {engineWords, flavorLabel, openEngine} from './engines.ts'
import {fateOf, isOurs, type Look, type Seen} from './leavings.ts'
import type {Tool} from './tool.ts'

interface Flags {
  readonly olderThan: number
  readonly images?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
  readonly engineSocket?: string
}

interface Item {
  readonly what: 'container' | 'image'
  readonly id: string
  readonly name: string
  readonly because: string
  readonly fate: 'removed' | 'spared' | 'failed' | 'would be removed'
}

const hour = 3600

export const cleanupContainers: Tool = (end) =>
  new Command('ostler-cleanup-containers')
    .description(
      "remove the containers that builds left here and that no worker holds any more, never another's",
    )
    .option('--older-than <time>', 'only what was made longer ago, such as 30m, 2h or 3d', span, hour)
    .option('--images', 'also images that ostler-create-image has replaced and no container uses')
    .option('--dry-run', 'only say what would be removed')
    .option('--quiet', 'say nothing of what is spared, and nothing at all when that is everything')
    .option('--json', 'write the answer as JSON')
    .option(
      '--engine-socket <path>',
      'the socket of Docker or Podman, instead of the one that a worker would use',
    )
    .addHelpText(
      'after',
      `
Ostler's containers carry its labels; all others are never touched. One whose build lies in a worker's state directory is held,
also while the worker is stopped: the next start goes on with it. A worker removes what is left of its own at each start; this
is for what belonged to a worker that is gone. Run it as root, or as who may look into the workers' state directories.

Exit codes: 0 done, 1 something could not be removed, 2 wrong usage, 3 no engine answers.`,
    )
    .action(async (flags: Flags) => {
      const docker = await openEngine(flags.engineSocket)
      const items = [
        ...(await containers(docker, flags)),
        ...(flags.images ? await images(docker, flags) : []),
      ]
      if (flags.json) sayJson({items})
      else tell(flags.quiet ? items.filter(({fate}) => fate !== 'spared') : items, flags)
      if (items.some(({fate}) => fate === 'failed')) end(exits.failed)
    })

async function containers(docker: Docker, flags: Flags): Promise<Item[]> {
  const all = await docker.listContainers({all: true})
  const ours = all.filter(({Labels}) => isOurs({labels: Labels}))
  const terms = {look, now: Date.now(), olderThanMs: flags.olderThan * 1000}
  const items: Item[] = []
  for (const found of ours) {
    const {remove, because} = fateOf(seenOf(found), terms)
    const item = {what: 'container', id: found.Id, name: found.Names[0]?.slice(1) ?? '', because} as const
    const act = async () => {
      await docker.getContainer(found.Id).remove({force: true, v: true})
    }
    items.push(remove ? await removed(item, flags, act) : {...item, fate: 'spared'})
  }
  return items
}

/** Removing without force is refused by the engine when a container uses the image. */
async function images(docker: Docker, flags: Flags): Promise<Item[]> {
  const unnamed = await docker.listImages({filters: {label: [flavorLabel], dangling: ['true']}})
  const items: Item[] = []
  for (const {Id, Labels, Created} of unnamed) {
    const item = {
      what: 'image',
      id: Id,
      name: Labels[flavorLabel] ?? '',
      because: 'another has its name',
    } as const
    if (Date.now() - Created * 1000 < flags.olderThan * 1000)
      items.push({...item, because: 'too young', fate: 'spared'})
    else {
      const act = async () => {
        await docker.getImage(Id).remove()
      }
      items.push(await removed(item, flags, act))
    }
  }
  return items
}

async function removed(
  item: Omit<Item, 'fate'>,
  {dryRun}: Flags,
  act: () => Promise<unknown>,
): Promise<Item> {
  if (dryRun) return {...item, fate: 'would be removed'}
  try {
    await act()
    return {...item, fate: 'removed'}
  } catch (error) {
    const {statusCode} = error as {statusCode?: number}
    if (statusCode === 404) return {...item, because: 'it went by itself', fate: 'removed'}
    if (statusCode === 409) return {...item, because: engineWords(error), fate: 'spared'}
    return {...item, because: engineWords(error), fate: 'failed'}
  }
}

const seenOf = ({Id, Labels, State, Created, Mounts}: Docker.ContainerInfo): Seen => ({
  id: Id,
  labels: Labels,
  isRunning: State === 'running' || State === 'paused' || State === 'restarting',
  createdAtMs: Created * 1000,
  attempt: Mounts.find(({Destination}) => Destination === '/ostler/attempt')?.Source ?? null,
})

const look: Look = (folder) => {
  try {
    statSync(folder)
    return 'there'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'hidden'
  }
}

function tell(items: readonly Item[], {dryRun, quiet}: Flags): void {
  if (quiet && items.length === 0) return
  for (const {what, id, because, fate} of items.filter((item) => item.fate === 'failed'))
    sayError(`${what} ${shortId(id)} was not removed (${fate}): ${plain(because)}`)
  if (items.length > 0)
    table(
      ['WHAT', 'ID', 'NAME', 'FATE', 'BECAUSE'],
      items.map(({what, id, name, fate, because}) => [what, shortId(id), plain(name), fate, plain(because)]),
    )
  const gone = items.filter(({fate}) => fate === 'removed' || fate === 'would be removed').length
  say(
    `${plural(gone, 'thing')} ${dryRun ? 'would be removed' : 'removed'}, ${String(items.length - gone)} spared`,
  )
}

const shortId = (id: string): string => id.replace('sha256:', '').slice(0, 12)
