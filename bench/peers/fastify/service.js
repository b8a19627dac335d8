// The RSVP service that one would write by hand on Fastify, pg and ioredis, the way their documentation teaches:
// a cluster of processes, a pool of connections with named prepared statements, one transaction for each write,
// counts aside in Redis with a lifetime (automatic pipelining), schemas for what comes in and what goes out.
//
// It uses rsvpd's own tables and gives rsvpd's answers on the routes that it has. It does less than rsvpd wherever
// that helps it: no entity tags, request ids, deadlines, bounds on its queues, waiting lists or idempotency keys.
'use strict'

const cluster = require('node:cluster')
const fastify = require('fastify')
const Redis = require('ioredis')
const { Pool } = require('pg')

const WORKERS = Number(process.env.WORKERS || 2)
const PORT = Number(process.env.PORT || 3000)
const POOL_SIZE = Number(process.env.POOL_SIZE || 10) // per process; 10 is pg's own default
const COUNT_TTL_MS = Number(process.env.COUNT_TTL_MS || 3500) // the sum of rsvpd's two lifetimes of a count

const identifier = { type: 'string', pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._~:@|+=-]{1,128}$' }
const eventParams = { type: 'object', required: ['event_id'], properties: { event_id: identifier } }
const memberParams = {
  type: 'object',
  required: ['event_id', 'user_id'],
  properties: { event_id: identifier, user_id: identifier }
}
const who = {
  type: 'object',
  required: ['user_id'],
  additionalProperties: false,
  properties: { user_id: identifier }
}
const membership = {
  type: 'object',
  properties: {
    event_id: { type: 'string' },
    user_id: { type: 'string' },
    has_rsvped: { type: 'boolean' },
    status: { type: 'string' }
  }
}
const written = {
  type: 'object',
  properties: {
    ...membership.properties,
    changed: { type: 'boolean' },
    rsvp_count: { type: 'integer' }
  }
}
const counted = {
  type: 'object',
  properties: {
    event_id: { type: 'string' },
    rsvp_count: { type: 'integer' },
    as_of: { type: 'string' },
    stale: { type: 'boolean' }
  }
}

// A statement with a name is prepared once for each connection.
const sql = {
  add: {
    name: 'add',
    text: 'INSERT INTO rsvps (event_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING'
  },
  countUp: {
    name: 'count_up',
    text: `INSERT INTO rsvp_counters AS c (event_id, count, version) VALUES ($1, 1, 1)
           ON CONFLICT (event_id) DO UPDATE SET count = c.count + 1, version = c.version + 1 RETURNING count`
  },
  remove: { name: 'remove', text: 'DELETE FROM rsvps WHERE event_id = $1 AND user_id = $2' },
  countDown: {
    name: 'count_down',
    text: 'UPDATE rsvp_counters SET count = count - 1, version = version + 1 WHERE event_id = $1 RETURNING count'
  },
  find: { name: 'find', text: 'SELECT 1 FROM rsvps WHERE event_id = $1 AND user_id = $2' },
  count: { name: 'count', text: 'SELECT count FROM rsvp_counters WHERE event_id = $1' }
}

function build (pool, redis) {
  const app = fastify()

  // One transaction: the row, and the counter by what really changed.
  async function write (change, counter, eventId, userId) {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      const { rowCount } = await client.query({ ...change, values: [eventId, userId] })
      const statement = rowCount === 1 ? counter : sql.count
      const { rows } = await client.query({ ...statement, values: [eventId] })
      await client.query('COMMIT')
      return { changed: rowCount === 1, count: rows.length === 1 ? Number(rows[0].count) : 0 }
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }

  app.post('/v1/events/:event_id/rsvp', {
    schema: { params: eventParams, body: who, response: { 200: written, 201: written } }
  }, async (request, reply) => {
    const { event_id, user_id } = { ...request.params, ...request.body }
    const { changed, count } = await write(sql.add, sql.countUp, event_id, user_id)
    reply.code(changed ? 201 : 200).header('Cache-Control', 'no-store')
    return { event_id, user_id, has_rsvped: true, status: 'going', changed, rsvp_count: count }
  })

  app.delete('/v1/events/:event_id/rsvp', {
    schema: { params: eventParams, querystring: who, response: { 200: written } }
  }, async (request, reply) => {
    const { event_id, user_id } = { ...request.params, ...request.query }
    const { changed, count } = await write(sql.remove, sql.countDown, event_id, user_id)
    reply.header('Cache-Control', 'no-store')
    return { event_id, user_id, has_rsvped: false, status: 'none', changed, rsvp_count: count }
  })

  app.get('/v1/events/:event_id/users/:user_id', {
    schema: { params: memberParams, response: { 200: membership } }
  }, async (request, reply) => {
    const { event_id, user_id } = request.params
    const { rowCount } = await pool.query({ ...sql.find, values: [event_id, user_id] })
    reply.header('Cache-Control', 'private, no-cache')
    return { event_id, user_id, has_rsvped: rowCount === 1, status: rowCount === 1 ? 'going' : 'none' }
  })

  // Cache-aside: Redis, or else PostgreSQL and then Redis.
  async function countOf (eventId) {
    const key = `count:${eventId}`
    const kept = await redis.get(key)
    if (kept !== null) {
      const [count, asOf] = kept.split(' ')
      return { count: Number(count), asOf }
    }
    const asOf = new Date().toISOString()
    const { rows } = await pool.query({ ...sql.count, values: [eventId] })
    const count = rows.length === 1 ? Number(rows[0].count) : 0
    await redis.set(key, `${count} ${asOf}`, 'PX', COUNT_TTL_MS)
    return { count, asOf }
  }

  app.get('/v1/events/:event_id/rsvp_count', {
    schema: { params: eventParams, response: { 200: counted } }
  }, async (request, reply) => {
    const { event_id } = request.params
    const { count, asOf } = await countOf(event_id)
    reply.header('Cache-Control', 'public, max-age=1')
    return { event_id, rsvp_count: count, as_of: asOf, stale: false }
  })

  return app
}

// PGHOST, PGUSER, PGDATABASE and REDIS_SOCKET say where the stores are.
async function serve () {
  const pool = new Pool({ max: POOL_SIZE })
  const redis = new Redis({ path: process.env.REDIS_SOCKET, enableAutoPipelining: true })
  await build(pool, redis).listen({ port: PORT, host: '127.0.0.1' })
}

function lead () {
  const stop = () => process.exit(0) // the workers follow: their channel to this process closes
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  cluster.on('exit', (worker, code, signal) => {
    console.error(`worker ${worker.process.pid} has ended: ${signal || code}`)
    process.exit(1)
  })
  for (let i = 0; i < WORKERS; i++) cluster.fork()
}

if (cluster.isPrimary) {
  lead()
} else {
  serve().catch((error) => {
    console.error(error)
    process.exit(1)
  })
}
