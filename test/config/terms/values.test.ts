import test from 'ava'
import fc from 'fast-check'
import {conditionFault} from '../../../config/terms/conditions.ts'
import {parseDuration} from '../../../config/terms/durations.ts'
import {branchFault, globFault, matchesGlob} from '../../../config/terms/globs.ts'
import {editDistance, nearest} from '../../../config/terms/near.ts'
import {matchesWhole, patternFault} from '../../../config/terms/patterns.ts'
import {repositoryFault} from '../../../config/terms/repositories.ts'
import {parseSize} from '../../../config/terms/sizes.ts'

test('durations are counts with units', (t) => {
  t.deepEqual(
    ['0s', '90s', '10m', '1h30m', '400d', '250ms', '2w'].map(parseDuration),
    [0, 90_000, 600_000, 5_400_000, 34_560_000_000, 250, 1_209_600_000],
  )
  t.deepEqual(
    ['', '10', 'm', '-1s', '1.5h', '10 m', '10x', '99999999999d', '1h '].map(parseDuration),
    Array(9).fill(null),
  )
})

test('sizes are counts with units', (t) => {
  t.deepEqual(['1B', '64MiB', '1GB', '2KiB'].map(parseSize), [1, 67_108_864, 1_000_000_000, 2048])
  t.deepEqual(['', '64', '64 MiB', '64mb', '-1B', '999999999TiB'].map(parseSize), Array(6).fill(null))
})

test('one star stays within a name, two cross slashes', (t) => {
  t.deepEqual(
    ['release/1', 'release/1/2', 'x'].map((name) => matchesGlob(name, 'release/*')),
    [true, false, false],
  )
  t.true(matchesGlob('a/b/.hidden', '**'))
  t.true(matchesGlob('b', '{a,b}'))
  t.is(globFault('[a'), 'not a glob: Missing closing: "]" - use "\\\\]" to match literal characters')
  t.not(globFault(''), null)
})

test('what git refuses as a branch is refused', (t) => {
  for (const branch of [
    '-x',
    'a b',
    'a..b',
    'a~',
    'a^',
    'a:',
    'a.lock',
    '.a',
    'a/.b',
    '/a',
    'a/',
    'a//b',
    'a@{1}',
    'a\\b',
    'a\n',
    'refs/heads/a',
  ])
    t.not(branchFault(branch, false), null, branch)
  for (const branch of ['main', 'release/1.0', 'feature/ä', 'a@b', '@', 'a#b'])
    t.is(branchFault(branch, false), null, branch)
})

test('a condition is checked before anything runs', (t) => {
  for (const text of [
    "result == 'success'",
    "props.x == 'a' && branch.startsWith('release/')",
    "steps.test.result != 'failure'",
    'true',
    "'x' in props",
  ])
    t.is(conditionFault(text), null, text)
  for (const text of ['', 'result ==', 'nope', "result + 'x'", '1', 'result.foo(1)', 'x'.repeat(3000)])
    t.not(conditionFault(text), null, text)
})

test('patterns take linear time, and what RE2 cannot do is a problem', (t) => {
  t.is(patternFault('^warning:'), null)
  for (const text of ['(', '(a)\\1', '(?=a)', 'a{99999}']) t.not(patternFault(text), null, text)
  const started = performance.now()
  t.false(matchesWhole(`${'a'.repeat(5000)}!`, '(a+)+'))
  t.true(performance.now() - started < 2000)
})

test('a repository is where git can find it, and has no password', (t) => {
  for (const url of ['https://a/b', 'ssh://git@a/b', 'git@a:b/c', '/srv/x', 'file:///srv/x'])
    t.is(repositoryFault(url), null, url)
  for (const url of ['', 'x', '-x', 'ext::sh -c true', 'https://u:p@a/b', '--upload-pack=x', 'a b'])
    t.not(repositoryFault(url), null, url)
})

test('the word that was meant is the nearest one', (t) => {
  const known = ['timeout', 'command', 'haltOnFailure', 'name']
  t.deepEqual(
    ['tiemout', 'comand', 'halt_on_failure', 'nmae', 'Timeout', 'zzz'].map((word) => nearest(word, known)),
    ['timeout', 'command', 'haltOnFailure', 'name', 'timeout', null],
  )
})

test('a distance is the same both ways, and nothing only between equals', (t) => {
  const word = fc.string({maxLength: 12})
  fc.assert(
    fc.property(
      word,
      word,
      (a, b) => editDistance(a, b) === editDistance(b, a) && (editDistance(a, b) === 0) === (a === b),
    ),
  )
  t.pass()
})
