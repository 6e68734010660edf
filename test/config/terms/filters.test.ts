import test from 'ava'
import {passes, touches} from '../../../config/terms/filters.ts'

const change = {source: 'hello', branch: 'main', files: ['src/a.c', 'doc/x.md'], filesMore: 0}

test('a change passes by its source, its branch and a file that matters', (t) => {
  t.true(passes(change, 'hello', 'main', []))
  t.true(passes(change, 'hello', 'ma*', ['src/**']))
  t.false(passes(change, 'other', 'main', []))
  t.false(passes(change, 'hello', 'stable', []))
  t.false(passes(change, 'hello', 'main', ['debian/**']))
})

test('files that a glob with ! names do not matter by themselves', (t) => {
  t.false(touches(['doc/x.md'], ['**', '!doc/**']))
  t.true(touches(['doc/x.md', 'src/a.c'], ['**', '!doc/**']))
})

test('a change with more files than are listed is better built than missed', (t) => {
  t.true(passes({...change, filesMore: 1}, 'hello', 'main', ['debian/**']))
})
