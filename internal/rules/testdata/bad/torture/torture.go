package torture

import _ "example.org/foreign" // a command's part may
