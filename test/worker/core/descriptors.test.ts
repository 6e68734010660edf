// How many file descriptors a process needs to have free, and how it is told that they are too few.
import test from 'ava'
import {descriptorsMin, isOutOfDescriptors, limitIn, shortageOf} from '../../../worker/core/descriptors.ts'

const limits = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units
Max processes             63000                63000                processes
Max open files            ${soft.padEnd(20)} 524288               files
Max locked memory         67108864             67108864             bytes
`

test('the soft limit is read from the text of the kernel', (t) => {
  t.is(limitIn(limits('1024')), 1024)
  t.is(limitIn(limits('unlimited')), null)
  t.is(limitIn(''), null)
})

test('enough free descriptors are no shortage, one fewer is one, with its numbers', (t) => {
  t.is(shortageOf(100, 100 + descriptorsMin), null)
  t.regex(
    shortageOf(101, 100 + descriptorsMin) ?? '',
    /^101 of its 164 file descriptors are in use, and 64 must be free: raise/,
  )
  t.is(shortageOf(5000, null), null)
})

test('a process that cannot even count has none', (t) => {
  t.regex(shortageOf(null, 1024) ?? '', /no file descriptor left/)
})

test('both errors that say so are known', (t) => {
  t.true(isOutOfDescriptors(Object.assign(new Error(), {code: 'EMFILE'})))
  t.true(isOutOfDescriptors(Object.assign(new Error(), {code: 'ENFILE'})))
  t.false(isOutOfDescriptors(Object.assign(new Error(), {code: 'ENOENT'})))
  t.false(isOutOfDescriptors(null))
})
