package arch // the modelled arch is written by hand
