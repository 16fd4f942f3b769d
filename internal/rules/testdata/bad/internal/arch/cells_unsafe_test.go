package arch

import _ "unsafe" // and this
