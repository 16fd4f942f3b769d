package arch

import _ "unsafe" // want unsafe: imports unsafe
