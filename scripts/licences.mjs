// Whose work the programs contain, with the words of each licence: what goes beside debian/copyright. The source maps say what
// was bundled; of the web page, which has none, everything counts that its packages stand on.
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {dirname, join, relative, resolve} from 'node:path'
import {root} from './place.mjs'

const modules = join(root, 'node_modules')
/** What the web page imports, and what is delivered as it is. */
const whole = ['react', 'react-dom', 'wouter', '@tanstack/react-query', 'anser']
const delivered = ['@electric-sql/pglite', 'esbuild-wasm']

/** The text; `bundles` are folders with source maps. */
export function licences(bundles) {
  const places = new Set([
    ...bundles.flatMap(mapsBelow).flatMap(placesOf),
    ...whole.flatMap((name) => [...closure(join(modules, name))]),
    ...delivered.map((name) => join(modules, name)),
  ])
  const packages = [...places].map(readPackage).sort((a, b) => (a.title < b.title ? -1 : 1))
  const list = packages.map(({title, licence}) => `${title}: ${licence}`)
  const texts = packages.map(
    ({title, licence, text}) => `${'='.repeat(80)}\n${title} (${licence})\n\n${text}`,
  )
  return [`Ostler's programs contain the work of others:\n\n${list.join('\n')}`, ...texts].join('\n\n') + '\n'
}

function mapsBelow(folder) {
  return readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter((entry) => entry.isFile() && entry.name.endsWith('.map'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The packages whose files went into a bundle. */
function placesOf(map) {
  const {sources} = JSON.parse(readFileSync(map, 'utf8'))
  return sources.flatMap((source) => {
    const path = relative(root, resolve(dirname(map), source))
    const [, place] = /^(?:.*\/)?(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
    // Some maps name folders that their package does not bring.
    const isPackage = place !== undefined && existsSync(join(root, place, 'package.json'))
    return isPackage ? [join(root, place)] : []
  })
}

/** A package and all that it depends on, as npm laid them out. */
function closure(place, seen = new Set()) {
  if (seen.has(place)) return seen
  seen.add(place)
  for (const name of Object.keys(manifestOf(place).dependencies ?? {})) {
    const nested = join(place, 'node_modules', name)
    closure(existsSync(nested) ? nested : join(modules, name), seen)
  }
  return seen
}

function readPackage(place) {
  const {name, version, license, author, repository} = manifestOf(place)
  const files = readdirSync(place).filter((file) => /^(licen[cs]e|copying|notice)(\b|[.-])/i.test(file))
  const said = files.sort().map((file) => readFileSync(join(place, file), 'utf8').trim())
  const from = [author?.name ?? author, repository?.url ?? repository].filter(Boolean).join(', ')
  const text = said.join('\n\n') || `No text of its own comes with it. ${from}`.trim()
  return {title: `${name} ${version}`, licence: license ?? 'see its text', text}
}

const manifestOf = (place) => JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
