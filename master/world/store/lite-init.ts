// Makes an embedded database's directory, as a process of its own: making one takes 800 MB of memory that a process
// only gives back by ending. Argument: the directory to fill.
import {PGlite} from '@electric-sql/pglite'
import {startParams} from './lite-start.ts'

const dir = process.argv[2]
if (dir === undefined) throw new Error('usage: lite-init DIRECTORY')
const database = await PGlite.create({dataDir: dir, startParams})
await database.close()
