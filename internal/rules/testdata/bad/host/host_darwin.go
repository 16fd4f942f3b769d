package host

import _ "example.com/pvlock/check" // want arrows: host imports check, which is not below it
