// Holds a lock until it is killed; used by lock.test.ts.
import { acquireLock } from '../../lib/files/lock.js';

acquireLock(process.argv[2], 'testing');
setInterval(() => process.uptime(), 1e6);
