// The numbered cases of promotion are 58, and each is a test.
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {allFiles, repository} from '../../support/sources.ts'

test('each of the 58 cases of promotion is a test whose title begins with its number', (t) => {
  const titles = allFiles()
    .filter((path) => path.startsWith('test/') && path.endsWith('.test.ts'))
    .flatMap((path) => [...readFileSync(join(repository, path), 'utf8').matchAll(/['"`]case (\d+): /g)])
  const found = new Set(titles.map(([, number]) => Number(number)))
  const missing = Array.from({length: 58}, (_, n) => n + 1).filter((number) => !found.has(number))
  t.deepEqual(missing, [])
})
