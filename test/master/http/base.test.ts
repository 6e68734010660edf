import test from 'ava'
import {basePath, withoutBase} from '../../../master/http/base.ts'

test('the page lies below the path of its address', (t) => {
  t.is(basePath(null), '/')
  t.is(basePath('https://ci.example.org/'), '/')
  t.is(basePath('https://ci.example.org/ostler/'), '/ostler/')
  t.is(basePath('https://ci.example.org/ci/ostler'), '/ci/ostler/')
})

test('the path is taken away where it stands, and only where it is whole', (t) => {
  const base = '/ostler/'
  t.is(withoutBase('/ostler/api/v1/builds?a=/ostler/', base), '/api/v1/builds?a=/ostler/')
  t.is(withoutBase('/ostler/', base), '/')
  t.is(withoutBase('/ostler', base), '/')
  t.is(withoutBase('/ostler?x=1', base), '/?x=1')
  t.is(withoutBase('/ostlery/healthz', base), '/ostlery/healthz')
  t.is(withoutBase('/healthz', base), '/healthz')
  t.is(withoutBase('/ostler/ostler/', base), '/ostler/')
  t.is(withoutBase('/anything', '/'), '/anything')
})
