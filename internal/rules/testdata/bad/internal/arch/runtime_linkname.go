package arch

import _ "unsafe" // this file may
