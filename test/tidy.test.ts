// The house checks itself: arrows between rooms, purity, where packages are used, that every kind is listed,
// documented and tested, and the habits that a reader relies on.
import {existsSync, readFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import test from 'ava'
import {arrowsTable, emptyWords, mayKnow, mayUse, roomOf, rooms, untested} from './support/house.ts'
import {
  allFiles,
  cycles,
  functionsOf,
  holdsCode,
  namesUsed,
  packageOf,
  readSources,
  repository,
  resolved,
  type Source,
  testTitles,
} from './support/sources.ts'

const files = allFiles()
const sources = readSources()
const pureSources = sources.filter(({path}) => roomOf(path)?.pure)
const kinds = sources.filter(({path}) => /^config\/kinds\/[^/]+\/(?!index\.ts)[^/]+\.ts$/.test(path))
const read = (path: string) =>
  existsSync(join(repository, path)) ? readFileSync(join(repository, path), 'utf8') : ''
const version = (JSON.parse(read('package.json')) as {version: string}).version

test('every source file lies in a room', (t) => {
  t.deepEqual(
    sources.map(({path}) => path).filter((path) => roomOf(path) === null),
    [],
  )
})

test('a room knows only the rooms that its arrows allow', (t) => {
  const wrong = sources.flatMap((source) => {
    const room = roomOf(source.path)
    return source.imports.flatMap(({from, line}) => {
      const file = resolved(source, from)
      return room && file && !mayKnow(room, file)
        ? [`${source.path}:${String(line)} may not know ${file}`]
        : []
    })
  })
  t.deepEqual(wrong, [])
})

test('a package is used only in the rooms that are made for it', (t) => {
  const wrong = sources.flatMap((source) => {
    const room = roomOf(source.path)
    return source.imports.flatMap(({from, line}) => {
      const name = packageOf(from)
      return room && name && !mayUse(room, name) ? [`${source.path}:${String(line)} may not use ${name}`] : []
    })
  })
  t.deepEqual(wrong, [])
})

test('every package that a room may use is used there', (t) => {
  const idle = rooms.flatMap((room) => {
    const used = sources
      .filter(({path}) => roomOf(path) === room)
      .flatMap(({imports}) => imports.map(({from}) => packageOf(from)))
    if (used.length === 0) return []
    return room.packages
      .filter(
        (name) =>
          name !== '*' && !used.some((each) => each !== null && mayUse({...room, packages: [name]}, each)),
      )
      .map((name) => `${room.path} has no need of ${name}`)
  })
  t.deepEqual(idle, [])
})

test('no files import each other in a circle', (t) => {
  t.deepEqual(cycles(sources), [])
})

const impure =
  /^(Date\.now|new Date\(\)|Math\.random|process|performance|setTimeout|setInterval|setImmediate|crypto|fetch|console)$/

test('a pure room has no clock, no randomness and no process', (t) => {
  const wrong = pureSources.flatMap((source) =>
    namesUsed(source)
      .filter(({name}) => impure.test(name))
      .map(({name, line}) => `${source.path}:${String(line)} uses ${name}`),
  )
  t.deepEqual(wrong, [])
})

test('a pure room does not import from Node', (t) => {
  const wrong = pureSources.flatMap(({path, imports}) =>
    imports.filter(({from}) => from.startsWith('node:')).map(({from}) => `${path} imports ${from}`),
  )
  t.deepEqual(wrong, [])
})

test('the README shows the table of arrows as it is', (t) => {
  t.true(
    unpadded(read('README.md')).includes(unpadded(arrowsTable())),
    `README.md must hold this table:\n${arrowsTable()}`,
  )
})

test('every kind is listed in the index of its folder', (t) => {
  const missing = kinds.filter(({path}) => !indexNames(path)).map(({path}) => path)
  t.deepEqual(missing, [])
})

test('every kind is in the printed reference', (t) => {
  const reference = read('config/reference.md')
  t.deepEqual(
    kinds.map(({path}) => basename(path, '.ts')).filter((kind) => !reference.includes(`\n### ${kind}\n`)),
    [],
  )
})

test('every kind has a test of its name', (t) => {
  t.deepEqual(
    kinds.map(({path}) => testOf(path)).filter((path) => !files.includes(path)),
    [],
  )
})

test('every file of a pure room has a test of its name, or is what another test of its room is about', (t) => {
  const reached = new Set(
    sources
      .filter(({path}) => path.endsWith('.test.ts'))
      .flatMap((source) => source.imports.map(({from}) => resolved(source, from))),
  )
  const missing = pureSources
    .filter((source) => isTestable(source))
    .filter(({path}) => !files.includes(testOf(path)) && !reached.has(path))
    .map(({path}) => path)
  t.deepEqual(missing, [])
})

test('no path has a word that names nothing', (t) => {
  // What lies in debian/ is named by the packages and units it is for.
  const ours = files.filter((path) => !path.startsWith('debian/'))
  const wrong = ours.filter((path) =>
    path.split(/[/.-]/).some((word) => emptyWords.includes(word.toLowerCase())),
  )
  t.deepEqual(wrong, [])
})

test('every source file opens with what lives there', (t) => {
  const silent = sources
    .filter(({path, text}) => !path.endsWith('.test.ts') && !/^(#!.*\n)?(\/\/|\/\*)/.test(text))
    .map(({path}) => path)
  t.deepEqual(silent, [])
})

test('no test is focused on', (t) => {
  const focused = sources.filter(
    ({path, text}) => path.endsWith('.test.ts') && /\b(test|it)(\.serial)?\.only\(/.test(text),
  )
  t.deepEqual(
    focused.map(({path}) => path).filter((path) => path !== 'test/tidy.test.ts'),
    [],
  )
})

test('a title is used once in a file', (t) => {
  const doubled = sources.flatMap((source) => {
    const titles = testTitles(source)
    return titles
      .filter((title, place) => titles.indexOf(title) !== place)
      .map((title) => `${source.path}: ${title}`)
  })
  t.deepEqual(doubled, [])
})

test('versions agree', (t) => {
  const lock = JSON.parse(read('package-lock.json')) as {
    version: string
    packages: Record<string, {version: string}>
  }
  const changelog = /\(([^)]+)\)/.exec(read('debian/changelog').split('\n')[0] ?? '')?.[1]
  t.is(lock.version, version)
  t.is(lock.packages['']?.version, version)
  t.is(changelog ?? version, version)
})

test('dependencies are pinned to one version', (t) => {
  type Listed = Readonly<Record<string, string>>
  const {dependencies, devDependencies} = JSON.parse(read('package.json')) as {
    dependencies: Listed
    devDependencies: Listed
  }
  const loose = Object.entries({...dependencies, ...devDependencies}).filter(
    ([, range]) => !/^\d+\.\d+\.\d+$/.test(range),
  )
  t.deepEqual(loose, [])
})

test('the tallest files and the longest functions are seen', (t) => {
  const ours = sources.filter(({path}) => !path.endsWith('.test.ts'))
  const tall = ours
    .map(({path, text}) => ({path, lines: text.split('\n').length}))
    .sort((a, b) => b.lines - a.lines)
  const long = ours.flatMap(functionsOf).sort((a, b) => b.lines - a.lines)
  t.log(
    `tallest files: ${tall
      .slice(0, 5)
      .map(({path, lines}) => `${path} (${String(lines)})`)
      .join(', ')}`,
  )
  t.log(
    `longest functions: ${long
      .slice(0, 5)
      .map(({name, lines, file}) => `${file} ${name} (${String(lines)})`)
      .join(', ')}`,
  )
  t.pass()
})

const testOf = (path: string) => `test/${path.replace(/\.tsx?$/, '.test.ts')}`

/** An index only lists, an example is loaded as a user's file, and some files are one step of what is tested whole. */
const isTestable = (source: Source) =>
  holdsCode(source) && !(source.path in untested) && !/(^|\/)index\.ts$|^config\/examples\//.test(source.path)

/** Prettier pads the cells of a table. */
const unpadded = (text: string) => text.replace(/ +/g, ' ').replace(/-+/g, '-')

function indexNames(path: string): boolean {
  return read(path.replace(/[^/]+$/, 'index.ts')).includes(`./${basename(path)}'`)
}
