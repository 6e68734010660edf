// How the embedded PostgreSQL is started, in its own file because both of its processes need it.
import {PGlite} from '@electric-sql/pglite'

/** Few shared buffers: a master's database is small, and the default costs a hundred megabytes of memory. */
export const startParams: string[] = [...PGlite.defaultStartParams, '-c', 'shared_buffers=8MB']
