// The door to an S3-compatible object store: the only place that knows Amazon's library, which is loaded when a store is
// opened and not before. Names are below the address's prefix. What fails says so in one sentence with the store's name.
import type * as library from '@aws-sdk/client-s3'
import type {
  AbortMultipartUploadCommand,
  CompletedPart,
  GetObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import type {Readable} from 'node:stream'
import type {ObjectAddress, ObjectKeys} from './address.ts'
import {ObjectMissing, ObjectStoreTrouble} from './trouble.ts'

type Library = typeof library

export interface StoredObject {
  readonly name: string
  readonly bytes: number
  readonly modifiedAt: Date
}

export interface ByteRange {
  readonly start: number
  /** Inclusive. */
  readonly end: number
}

/** Uploads are sent in parts of this size: with ten thousand parts at most, 80 GB is the largest. */
const partBytes = 8 * 1024 * 1024
const removedAtOnce = 16
/** A store that is away must be found out while somebody still waits, in milliseconds. */
const timeouts = {connectionTimeout: 3_000, socketTimeout: 6_000, requestTimeout: 60_000}

export class ObjectStore {
  readonly #s3: Library
  readonly #client: S3Client
  readonly #address: ObjectAddress

  private constructor(s3: Library, client: S3Client, address: ObjectAddress) {
    this.#s3 = s3
    this.#client = client
    this.#address = address
  }

  /** Opens a store and tries that objects can be listed, written, read and removed. Throws ObjectStoreTrouble. */
  static async open(address: ObjectAddress, keys: ObjectKeys | null): Promise<ObjectStore> {
    // The library is pinned: that its later versions will want a newer Node is for whoever raises the pin.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
    const s3 = await import('@aws-sdk/client-s3')
    const client = new s3.S3Client({
      region: address.region,
      forcePathStyle: address.pathStyle,
      ...(address.endpoint === null ? {} : {endpoint: address.endpoint}),
      ...(keys === null ? {} : {credentials: keys}),
      // Newer checksums are unknown to older stores.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 3,
      requestHandler: {
        ...timeouts,
        throwOnRequestTimeout: true,
        httpAgent: {keepAlive: true, maxSockets: 64},
        httpsAgent: {keepAlive: true, maxSockets: 64},
      },
    })
    const store = new ObjectStore(s3, client, address)
    await store.#probe()
    return store
  }

  /** Such as `bucket ci at https://objects.example.org`. */
  get where(): string {
    const {bucket, endpoint} = this.#address
    return `bucket ${bucket} at ${endpoint ?? 'Amazon S3'}`
  }

  close(): void {
    this.#client.destroy()
  }

  /** An object's bytes, or a range of them. Throws ObjectMissing. */
  async get(name: string, range?: ByteRange): Promise<Buffer> {
    return await this.#ask(name, async () => {
      const answer = await this.#fetch(name, range)
      return Buffer.from((await answer.Body?.transformToByteArray()) ?? [])
    })
  }

  /** The same as a stream. Throws ObjectMissing before there is one. */
  async stream(name: string, range?: ByteRange): Promise<Readable> {
    return await this.#ask(name, async () => (await this.#fetch(name, range)).Body as Readable)
  }

  /** An object's size in bytes; null when there is none of that name. */
  async size(name: string): Promise<number | null> {
    const found = await this.#ask(name, () =>
      this.#client.send(new this.#s3.HeadObjectCommand(this.#at(name))),
    ).catch((error: unknown) => {
      if (error instanceof ObjectMissing) return null
      throw error
    })
    return found?.ContentLength ?? null
  }

  /** Writes an object; it is there, whole and durable, when this returns. */
  async put(name: string, body: Uint8Array): Promise<void> {
    await this.#ask(name, () =>
      this.#client.send(
        new this.#s3.PutObjectCommand({...this.#at(name), Body: body, ContentLength: body.length}),
      ),
    )
  }

  /** Writes an object from a stream in little memory. It appears when all has come and `check` has not thrown. */
  async upload(name: string, body: AsyncIterable<Uint8Array>, check: () => void): Promise<void> {
    const upload = new Upload(this, name)
    try {
      for await (const bytes of body) await upload.add(bytes)
      check()
      await upload.finish()
    } catch (error) {
      await upload.abort()
      throw error
    }
  }

  /** Objects whose names begin so, in order, page by page; those after the name `after` only. */
  async *list(prefix: string, after?: string): AsyncGenerator<StoredObject[]> {
    const own = this.#address.prefix
    let token: string | undefined
    do {
      const answer = await this.#ask(prefix, () =>
        this.#client.send(
          new this.#s3.ListObjectsV2Command({
            Bucket: this.#address.bucket,
            Prefix: own + prefix,
            ...(token === undefined ? {} : {ContinuationToken: token}),
            ...(after === undefined || token !== undefined ? {} : {StartAfter: own + after}),
          }),
        ),
      )
      yield (answer.Contents ?? []).map(({Key = '', Size = 0, LastModified = new Date()}) => ({
        name: Key.slice(own.length),
        bytes: Size,
        modifiedAt: LastModified,
      }))
      token = answer.IsTruncated ? answer.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  /** Removes objects; one that is not there is no error. */
  async remove(names: readonly string[]): Promise<void> {
    // One by one: not every store knows how to remove several at once.
    for (let at = 0; at < names.length; at += removedAtOnce)
      await Promise.all(
        names
          .slice(at, at + removedAtOnce)
          .map((name) =>
            this.#ask(name, () => this.#client.send(new this.#s3.DeleteObjectCommand(this.#at(name)))),
          ),
      )
  }

  /** Gives up uploads below a prefix that were begun this long ago and never finished. */
  async abandonUploads(prefix: string, olderThanMs: number): Promise<void> {
    const answer = await this.#ask(prefix, () =>
      this.#client.send(
        new this.#s3.ListMultipartUploadsCommand({
          Bucket: this.#address.bucket,
          Prefix: this.#address.prefix + prefix,
        }),
      ),
    )
    for (const {Key, UploadId, Initiated} of answer.Uploads ?? [])
      if (Key && UploadId && Initiated && Date.now() - Initiated.getTime() > olderThanMs)
        await this.partly(Key.slice(this.#address.prefix.length)).abort(UploadId)
  }

  /** The steps of an upload in parts. */
  partly(name: string) {
    const at = this.#at(name)
    const send = <T>(ask: () => Promise<T>) => this.#ask(name, ask)
    return {
      begin: async () =>
        (await send(() => this.#client.send(new this.#s3.CreateMultipartUploadCommand(at)))).UploadId ?? '',
      part: async (id: string, number: number, body: Uint8Array): Promise<CompletedPart> => {
        const input = {...at, UploadId: id, PartNumber: number, Body: body, ContentLength: body.length}
        const {ETag} = await send(() => this.#client.send(new this.#s3.UploadPartCommand(input)))
        return {PartNumber: number, ...(ETag === undefined ? {} : {ETag})}
      },
      complete: async (id: string, parts: CompletedPart[]) => {
        const input = {...at, UploadId: id, MultipartUpload: {Parts: parts}}
        await send(() => this.#client.send(new this.#s3.CompleteMultipartUploadCommand(input)))
      },
      abort: async (id: string) => {
        const input: AbortMultipartUploadCommand['input'] = {...at, UploadId: id}
        await send(() => this.#client.send(new this.#s3.AbortMultipartUploadCommand(input))).catch(
          (error: unknown) => {
            if (!(error instanceof ObjectMissing)) throw error
          },
        )
      },
    }
  }

  #at(name: string) {
    return {Bucket: this.#address.bucket, Key: this.#address.prefix + name}
  }

  async #fetch(name: string, range: ByteRange | undefined): Promise<GetObjectCommandOutput> {
    const Range = range && `bytes=${String(range.start)}-${String(range.end)}`
    return await this.#client.send(
      new this.#s3.GetObjectCommand({...this.#at(name), ...(Range ? {Range} : {})}),
    )
  }

  async #ask<T>(name: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw this.#explain(error as ServiceError, name)
    }
  }

  #explain(error: ServiceError, name: string): Error {
    const {bucket, endpoint} = this.#address
    const status = error.$metadata?.httpStatusCode
    const store = `the object store (${this.where})`
    switch (error.name) {
      case 'NoSuchBucket':
        return new ObjectStoreTrouble(`${store} has no bucket ${bucket}: make it, or mend --object-store`)
      case 'InvalidAccessKeyId':
        return new ObjectStoreTrouble(`${store} does not know the access key in AWS_ACCESS_KEY_ID`)
      case 'SignatureDoesNotMatch':
        return new ObjectStoreTrouble(
          `${store} refuses the secret key: AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID`,
        )
      case 'CredentialsProviderError':
        return new ObjectStoreTrouble(`no keys for ${store}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`)
      case 'AccessDenied':
        return new ObjectStoreTrouble(
          `${store} does not allow these keys to list, read, write and remove objects (${name})`,
        )
    }
    if (status === 404) return new ObjectMissing(`${store} has no ${name}`)
    if (status === undefined) {
      const code = error.code ?? error.name
      const hint = code === 'ENOTFOUND' || code === 'ECONNREFUSED' ? ': is the endpoint right?' : ''
      return new ObjectStoreTrouble(`${store} does not answer (${code})${endpoint === null ? '' : hint}`)
    }
    return new ObjectStoreTrouble(`${store} refuses: ${error.name} ${error.message} (${String(status)})`)
  }

  async #probe(): Promise<void> {
    const name = `probe-${process.pid}-${Date.now().toString(36)}`
    for await (const page of this.list('probe-')) if (page.length >= 0) break
    await this.put(name, Buffer.from('ostler'))
    const read = await this.get(name, {start: 1, end: 3})
    await this.remove([name])
    if (read.toString() !== 'stl')
      throw new ObjectStoreTrouble(`the object store (${this.where}) does not understand ranged reads`)
  }
}

interface ServiceError extends Error {
  readonly code?: string
  readonly $metadata?: {readonly httpStatusCode?: number}
}

/** An upload as it comes: small ones are one write, larger ones parts, of which one is on its way while the next fills. */
class Upload {
  readonly #steps: ReturnType<ObjectStore['partly']>
  readonly #parts: CompletedPart[] = []
  readonly #store: ObjectStore
  readonly #name: string
  #filling: Uint8Array[] = []
  #size = 0
  #id: string | null = null
  #sending: Promise<void> = Promise.resolve()

  constructor(store: ObjectStore, name: string) {
    this.#store = store
    this.#name = name
    this.#steps = store.partly(name)
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const piece = rest.subarray(0, partBytes - this.#size)
      rest = rest.subarray(piece.length)
      this.#filling.push(piece)
      this.#size += piece.length
      if (this.#size === partBytes) await this.#send()
    }
  }

  async finish(): Promise<void> {
    if (this.#id === null) {
      await this.#store.put(this.#name, Buffer.concat(this.#filling))
      return
    }
    if (this.#size > 0) await this.#send()
    await this.#sending
    await this.#steps.complete(this.#id, this.#parts)
  }

  async abort(): Promise<void> {
    await this.#sending.catch(() => undefined)
    // What cannot be given up now is by the next sweep.
    if (this.#id !== null) await this.#steps.abort(this.#id).catch(() => undefined)
  }

  async #send(): Promise<void> {
    const body = Buffer.concat(this.#filling)
    this.#filling = []
    this.#size = 0
    await this.#sending
    const id = (this.#id ??= await this.#steps.begin())
    const number = this.#parts.length + 1
    this.#sending = this.#steps.part(id, number, body).then((part) => void this.#parts.push(part))
    // Whoever awaits it next hears of it.
    this.#sending.catch(() => undefined)
  }
}
