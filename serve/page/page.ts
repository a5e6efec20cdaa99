/** The service's page. */

import { service } from './api.js';
import { startPage } from './start.js';

startPage(service);
