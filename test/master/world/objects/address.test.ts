import test from 'ava'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {parseObjectStore, readObjectKeys} from '../../../../master/world/objects/address.ts'

test('an address names bucket, prefix, endpoint, region and style', (t) => {
  t.deepEqual(parseObjectStore('s3://builds', {}), {
    bucket: 'builds',
    prefix: '',
    endpoint: null,
    region: 'us-east-1',
    pathStyle: false,
  })
  t.deepEqual(
    parseObjectStore('s3://my.bucket/ci/ostler/?endpoint=http://127.0.0.1:9000&region=garage', {
      AWS_REGION: 'x',
    }),
    {
      bucket: 'my.bucket',
      prefix: 'ci/ostler/',
      endpoint: 'http://127.0.0.1:9000',
      region: 'garage',
      pathStyle: true,
    },
  )
  t.is(parseObjectStore('s3://builds', {AWS_REGION: 'eu-west-1'}).region, 'eu-west-1')
  t.false(parseObjectStore('s3://builds?endpoint=https://r2.example&pathStyle=false', {}).pathStyle)
})

const wrong: ReadonlyArray<[string, RegExp]> = [
  ['/srv/logs', /no address; it looks like s3:/],
  ['https://host/bucket', /only s3:\/\/ is understood/],
  ['s3://me:secret@builds', /must not hold keys.*AWS_ACCESS_KEY_ID/],
  ['s3://builds?endpont=http://x', /endpont is not one of endpoint, region, pathStyle/],
  ['s3://builds?endpoint=127.0.0.1:9000', /endpoint .* is no http/],
  ['s3://builds?pathStyle=yes', /pathStyle is true or false, not yes/],
  ['s3://Builds_2', /cannot be a bucket/],
]
for (const [text, sentence] of wrong)
  test(`the address ${text} is refused with a sentence that tells no secret`, (t) => {
    const error = t.throws(() => parseObjectStore(text, {}), {message: sentence})
    t.notRegex(error?.message ?? '', /secret/)
  })

test('keys come from the environment or from credentials, and never by halves', async (t) => {
  const both = {AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 's3cret'}
  t.deepEqual(await readObjectKeys(both), {accessKeyId: 'id', secretAccessKey: 's3cret'})
  t.is(await readObjectKeys({}), null)
  await t.throwsAsync(readObjectKeys({AWS_ACCESS_KEY_ID: 'id'}), {
    message: /AWS_SECRET_ACCESS_KEY is missing/,
  })
  const directory = await mkdtemp(path.join(tmpdir(), 'ostler-credentials-'))
  t.teardown(() => rm(directory, {recursive: true}))
  await writeFile(path.join(directory, 'aws-access-key-id'), 'other\n')
  await writeFile(path.join(directory, 'aws-secret-access-key'), 'deeper\n')
  t.deepEqual(await readObjectKeys({...both, CREDENTIALS_DIRECTORY: directory}), {
    accessKeyId: 'other',
    secretAccessKey: 'deeper',
  })
})
