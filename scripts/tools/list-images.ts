// ostler-list-images: the images that ostler-create-image made, and whether they are as their flavors say.
import {Command} from 'commander'
import {plain, sayBytes, sayJson, table} from '../../master/cli/print.ts'
import {flavorLabel, imageOf, madeOfLabel, openEngine} from './engines.ts'
import {flavorFolders, flavorNames, readFlavor} from './flavors.ts'
import type {Tool} from './tool.ts'

interface Flags {
  readonly json?: boolean
  readonly flavors?: string
  readonly engineSocket?: string
}

interface Listed {
  readonly name: string
  readonly flavor: string
  readonly id: string
  readonly madeAt: string
  readonly bytes: number
  /** How many containers there are of it. */
  readonly containers: number
  /** current: as its flavor says; changed: the flavor is another now; unknown: there is no such flavor; replaced: another has its name. */
  readonly state: 'current' | 'changed' | 'unknown' | 'replaced'
}

export const listImages: Tool = () =>
  new Command('ostler-list-images')
    .description('list the images to build in that ostler-create-image made')
    .option('--flavors <dir>', 'where the flavors lie, instead of /etc/ostler/flavors and our own')
    .option(
      '--engine-socket <path>',
      'the socket of Docker or Podman, instead of the one that a worker would use',
    )
    .option('--json', 'write the answer as JSON')
    .action(async ({json, flavors, engineSocket}: Flags) => {
      const docker = await openEngine(engineSocket)
      const images = await docker.listImages({filters: {label: [flavorLabel]}})
      const containers = await docker.listContainers({all: true})
      const madeOf = madeOfEach(flavorFolders(flavors))
      const listed = images.map(({Id, Labels, RepoTags, Created, Size}): Listed => {
        const flavor = Labels[flavorLabel] ?? ''
        const tags = RepoTags ?? []
        const name = tags.find((tag) => bare(tag) === imageOf(flavor)) ?? tags[0]
        const now = madeOf.get(flavor)
        return {
          name: name ?? '',
          flavor,
          id: Id,
          madeAt: new Date(Created * 1000).toISOString(),
          bytes: Size,
          containers: containers.filter(({ImageID}) => ImageID === Id).length,
          state:
            name === undefined || name === '<none>:<none>'
              ? 'replaced'
              : now === undefined
                ? 'unknown'
                : now === Labels[madeOfLabel]
                  ? 'current'
                  : 'changed',
        }
      })
      listed.sort((a, b) => a.flavor.localeCompare(b.flavor) || b.madeAt.localeCompare(a.madeAt))
      if (json) return sayJson({items: listed})
      table(
        ['FLAVOR', 'NAME', 'MADE', 'SIZE', 'CONTAINERS', 'STATE'],
        listed.map(({flavor, name, id, madeAt, bytes, containers: uses, state}) => [
          plain(flavor),
          plain(state === 'replaced' ? id.replace('sha256:', '').slice(0, 12) : bare(name)),
          madeAt.slice(0, 16).replace('T', ' '),
          sayBytes(bytes),
          String(uses),
          state,
        ]),
      )
    })

/** Podman puts its own registry before a name without one. */
const bare = (tag: string): string => tag.replace(/^localhost\//, '')

/** What each flavor says now; one that cannot be read is as one that is not there. */
function madeOfEach(folders: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    flavorNames(folders).flatMap((name) => {
      try {
        return [[name, readFlavor(name, folders).madeOf]]
      } catch {
        return []
      }
    }),
  )
}
