// Which packages are to be on the machine: the charm's version is theirs, so an upgraded charm upgrades them.
import {keeping, type KeptFile} from './files.ts'
import {packagesOf, paths, type Role} from './layout.ts'
import {blocked, maintenance, type Order, type Status} from './orders.ts'
import {textOption, type Scene} from './scene.ts'

export interface Installing {
  readonly orders: readonly Order[]
  /** null when all is installed as it must be. */
  readonly status: Status | null
}

/** What brings this role's packages to the version that charm or operator want. */
export function planPackages(scene: Scene, role: Role): Installing {
  const version = textOption(scene, 'package-version') || scene.version
  const {packages, resource, installProblem} = scene.machine
  const sources = keeping(scene.machine, sourceFiles(scene))
  const missing = packagesOf[role].filter((name) => packages[name] !== version)
  if (missing.length === 0) return {orders: sources, status: null}
  if (installProblem !== null) return {orders: sources, status: blocked(installProblem)}
  if (resource !== null && resource !== version)
    return {
      orders: sources,
      status: blocked(
        `the resource holds ${resource}, and ${version} is wanted: juju attach-resource ${scene.app} packages=…`,
      ),
    }
  const from = resource === null ? 'archive' : 'resource'
  return {
    orders: [...sources, {order: 'install', packages: packagesOf[role], version, from}],
    status: maintenance(`installing ${version}`),
  }
}

function sourceFiles(scene: Scene): readonly KeptFile[] {
  const sources = textOption(scene, 'install-sources')
  const keys = textOption(scene, 'install-keys')
  const signed = keys === '' ? sources : sources.replaceAll(/^deb (?!\[)/gm, `deb [signed-by=${paths.keys}] `)
  return [
    {path: paths.keys, text: keys === '' ? null : `${keys}\n`, mode: 0o644},
    {path: paths.sources, text: signed === '' ? null : `${signed}\n`, mode: 0o644},
  ]
}
