package arch

import _ "unsafe" // so may this
